//! A policy that was taught to say whether it would do better, and samples of it that all rules read.

use std::collections::HashMap;

use anyhow::Result;
use burn::module::Module;
use burn::tensor::Device;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::TokenSampler;
use regimen_rl_rewards::policy::{Completion, Decoding, End, generate};
use regimen_rl_rewards::search::SampleTemperature;
use regimen_schedules::Constant;

use super::lessons::{Graded, Stream, said, stream};
use super::settings::Settings;
use crate::experiment::Context;
use crate::rl_rewards::bed::chain::{Chain, Class, Problem};
use crate::rl_rewards::bed::evaluate::{accuracy, greedy, sampling};
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::symbols::END;
use crate::rl_rewards::bed::task::Part;
use crate::rl_rewards::bed::warm_up::WarmUp;

/// Samples of a prompt at most.
pub(super) const MOST: usize = 16;

/// The policies of a seed.
pub(super) struct Policies {
    task: Chain,
    problems: Vec<Problem>,
    taught: Policy,
    /// Percent of the tested prompts whose most probable answer is right: before the lessons, after them, and after training on right samples instead.
    pub(super) greedy: [f64; 3],
    /// The chance that a graded sample that wins or ties is scored above one that does not.
    pub(super) learned: f64,
}

impl Policies {
    /// Warms up, grades, and teaches.
    pub(super) fn new(context: &Context, seed: u64, settings: &Settings) -> Result<Self> {
        let device = &context.device;
        device.seed(seed);
        let task = if context.full {
            Chain::large(seed)
        } else {
            Chain::new(seed)
        };
        // The warm-up of other experiments on `chain`.
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let warm_up = WarmUp {
            updates: if context.full { 4000 } else { 560 },
            ..WarmUp::default()
        };
        let config = PolicyConfig::sized(context);
        let base = warm_up.teach(config.init(device), &task, &mut rng, device)?;
        let mut rng = stream(seed, Stream::Graded);
        let graded = Graded::new(&task, &base, settings.graded, &mut rng, device)?;
        let taught = graded.teach(context, (&task, base.clone()), settings, seed)?;
        let learned = graded.order(context, &taught)?;
        let rng = stream(seed, Stream::Spent);
        let spent = graded.learn_right(base.clone(), settings.spent, rng, device)?;
        let problems = tested(&task, settings.tested, seed);
        let plain = device.clone().inner();
        let right = |policy: &Policy| -> Result<f64> {
            Ok(accuracy(&policy.valid(), &task, &problems, &plain)?.all)
        };
        Ok(Self {
            greedy: [right(&base)?, right(&taught)?, right(&spent)?],
            learned,
            task,
            problems,
            taught,
        })
    }

    /// Sixteen samples of each prompt at temperature 1.
    pub(super) fn drawn(&self, context: &Context, seed: u64) -> Result<Bench> {
        self.bench(context, seed, &[(sampling(&self.task)?, MOST)])
    }

    /// Sixteen samples of each prompt, the first the most probable one and those after it at rising temperatures.
    pub(super) fn annealed(&self, context: &Context, seed: u64) -> Result<Bench> {
        let temperature = SampleTemperature::default();
        let of = |sample| -> Result<(Decoding, usize)> {
            let at = temperature.at(sample);
            if at == 0.0 {
                return Ok((greedy(&self.task)?, 1));
            }
            let sampler = TokenSampler::new(Constant::new(at)?);
            let decoding = Decoding::new(sampler, END, self.task.response_length())?;
            Ok((decoding, 1))
        };
        let rounds = (1..=MOST).map(of).collect::<Result<Vec<_>>>()?;
        self.bench(context, seed, &rounds)
    }

    fn bench(&self, context: &Context, seed: u64, rounds: &[(Decoding, usize)]) -> Result<Bench> {
        let device = context.device.clone().inner();
        let policy = self.taught.valid();
        let prompts: Vec<Vec<u32>> = self
            .problems
            .iter()
            .map(|one| self.task.prompt(one))
            .collect();
        let mut rng = stream(seed, Stream::Tested);
        let mut samples: Vec<Vec<Sampled>> = vec![Vec::new(); prompts.len()];
        for (decoding, count) in rounds {
            let drawn = generate(&policy, &prompts, *count, decoding, rng.random(), &device)?;
            for one in drawn.rollouts() {
                samples[one.prompt].push(Sampled {
                    text: one.completion.clone(),
                    right: self
                        .task
                        .is_right(&self.problems[one.prompt], &one.completion),
                });
            }
        }
        let all = self.problems.iter();
        let mut bench = Bench {
            classes: all.clone().map(|one| self.task.class(one)).collect(),
            operations: all.map(|one| self.task.results(one).len()).collect(),
            prompts,
            samples,
            scores: HashMap::new(),
            beginnings: HashMap::new(),
        };
        bench.evaluate(context, &policy, (seed, &device))?;
        Ok(bench)
    }
}

/// What a sample is scored by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Score {
    /// What the policy says itself.
    Own,
    /// The mean log-probability of its tokens, as a share above 0.
    LogProb,
    /// What the policy says of another sample.
    Permuted,
}

/// A sample, and whether it is right.
#[derive(Clone, Debug)]
pub(super) struct Sampled {
    pub(super) text: Completion,
    pub(super) right: bool,
}

/// Prompt and tokens of a text.
pub(super) type Key = (Vec<u32>, Vec<u32>);

/// Samples of held-out prompts, and their scores.
pub(super) struct Bench {
    pub(super) prompts: Vec<Vec<u32>>,
    pub(super) classes: Vec<Class>,
    /// Operations of each prompt.
    pub(super) operations: Vec<usize>,
    /// Of each prompt, in the order in which they are drawn.
    pub(super) samples: Vec<Vec<Sampled>>,
    scores: HashMap<Key, [f64; 3]>,
    /// Of beginnings: half of each sample's tokens.
    beginnings: HashMap<Key, f64>,
}

/// The first half of a text, a token at least.
pub(super) fn beginning(text: &Completion) -> regimen_rl_rewards::Result<Completion> {
    let mut found = Completion::new(End::Truncated);
    for token in text.tokens().iter().take((text.len() / 2).max(1)) {
        found.sampled(*token, 0.0)?;
    }
    Ok(found)
}

impl Bench {
    /// Scores each text once.
    fn evaluate(
        &mut self,
        context: &Context,
        policy: &Policy,
        (seed, device): (u64, &Device),
    ) -> Result<()> {
        let mut distinct: HashMap<Key, &Completion> = HashMap::new();
        let mut keys: Vec<Key> = Vec::new();
        for (prompt, samples) in self.prompts.iter().zip(&self.samples) {
            for one in samples {
                let key = (prompt.clone(), one.text.tokens().to_vec());
                if distinct.insert(key.clone(), &one.text).is_none() {
                    keys.push(key);
                }
            }
        }
        let scored = |texts: &[(&[u32], &Completion)]| said(context, policy, texts, device);
        let whole = keys.iter().map(|key| (key.0.as_slice(), distinct[key]));
        let own = scored(&whole.collect::<Vec<_>>())?;
        let halves = keys.iter().map(|key| beginning(distinct[key]));
        let halves = halves.collect::<regimen_rl_rewards::Result<Vec<_>>>()?;
        let prompts = keys.iter().map(|key| key.0.as_slice());
        let of_halves = scored(&prompts.clone().zip(&halves).collect::<Vec<_>>())?;
        let halves = prompts.zip(&halves).zip(of_halves);
        let halves = halves
            .map(|((prompt, half), score)| ((prompt.to_vec(), half.tokens().to_vec()), score));
        let beginnings: HashMap<Key, f64> = halves.collect();
        let mut permuted = own.clone();
        permuted.shuffle(&mut stream(seed, Stream::Permuted));
        let all = keys.iter().zip(own.into_iter().zip(permuted));
        let scores = all.map(|(key, (own, permuted))| {
            let text = distinct[key];
            let logs = text.log_probs().iter().flatten().map(|log| f64::from(*log));
            let mean = logs.sum::<f64>() / text.count_sampled().max(1) as f64;
            (key.clone(), [own, mean.exp(), permuted])
        });
        let scores: HashMap<Key, [f64; 3]> = scores.collect();
        drop(distinct);
        self.beginnings = beginnings;
        self.scores = scores;
        Ok(())
    }

    /// The score of a whole sample.
    pub(super) fn score(&self, by: Score, prompt: &[u32], text: &Completion) -> f64 {
        let key = (prompt.to_vec(), text.tokens().to_vec());
        let found = self.scores.get(&key);
        found.map_or(f64::NAN, |all| all[by as usize])
    }

    /// What the policy says of a half of a sample.
    pub(super) fn of_beginning(&self, prompt: &[u32], text: &Completion) -> f64 {
        let key = (prompt.to_vec(), text.tokens().to_vec());
        self.beginnings.get(&key).copied().unwrap_or(f64::NAN)
    }
}

/// Held-out prompts, none twice: its draws would be the same.
fn tested(task: &Chain, count: usize, seed: u64) -> Vec<Problem> {
    let mut rng = stream(seed, Stream::Tested);
    let mut found: Vec<Problem> = Vec::new();
    while found.len() < count {
        let problem = task.problem(Part::HeldOut, &mut rng);
        if !found.contains(&problem) {
            found.push(problem);
        }
    }
    found
}
