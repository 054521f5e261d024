//! A policy that was taught to say whether it would do better, and samples of it that all rules read.

use std::collections::HashMap;

use anyhow::Result;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{
    Completion, End, Rollout, Rollouts, SelfEvaluation, Sequences, generate,
};
use regimen_rl_rewards::search::{ProcessReward, Question, win_or_tie};

use crate::experiment::Context;
use crate::rl_rewards::bed::chain::{Chain, Class, Problem};
use crate::rl_rewards::bed::evaluate::{accuracy, sampling};
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::symbols::{BLANK, LETTERS};
use crate::rl_rewards::bed::task::Part;
use crate::rl_rewards::bed::warm_up::{WarmUp, imitation, pairs};

/// Samples of a prompt at most.
pub(super) const MOST: usize = 16;

/// Lessons of an update, and as many ordinary demonstrations.
const HALF: usize = 32;

/// Streams of a seed's generator. The facts of the chain are of the first.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Graded = 50,
    Taught,
    Tested,
    Spent,
    Permuted,
}

fn stream(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// How many prompts, and the rates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Training prompts, with two graded samples each.
    pub(super) graded: usize,
    /// Held-out prompts.
    pub(super) tested: usize,
    /// Updates and rate of the question's lessons.
    pub(super) lessons: (usize, f64),
    /// Updates and rate of the samples that are spent on training instead.
    pub(super) spent: (usize, f64),
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

/// A sample, its scores, and whether it is right.
#[derive(Clone, Debug)]
pub(super) struct Sampled {
    pub(super) text: Completion,
    pub(super) right: bool,
}

/// Prompt and tokens of a text.
pub(super) type Key = (Vec<u32>, Vec<u32>);

/// A policy and its samples.
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
    /// Percent of the tested prompts whose most probable answer is right: before the lessons, after them, and after training on right samples instead.
    pub(super) greedy: [f64; 3],
}

/// "Would you do better if you started over?", "no", "yes": letters that no answer has.
fn question() -> Result<Question> {
    Ok(Question::new(
        vec![LETTERS + 16],
        LETTERS + 17,
        LETTERS + 18,
    )?)
}

/// Whether each sample wins against the other of its prompt, ties excluded: a fault.
fn strictly(rewards: &[f64]) -> Vec<bool> {
    let others = rewards.chunks(2).flat_map(|pair| pair.iter().rev());
    rewards
        .iter()
        .zip(others)
        .map(|(one, other)| one > other)
        .collect()
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
        let base = warm_up.teach(
            PolicyConfig::sized(context).init(device),
            &task,
            &mut rng,
            device,
        )?;
        let mut rng = stream(seed, Stream::Graded);
        let problems: Vec<Problem> = (0..settings.graded)
            .map(|_| task.problem(Part::Training, &mut rng))
            .collect();
        let graded = drawn(context, &task, &base, (&problems, 2), rng.random())?;
        let rewards = graded.rollouts().iter().map(|one| {
            f64::from(u8::from(
                task.is_right(&problems[one.prompt], &one.completion),
            ))
        });
        let rewards: Vec<f64> = rewards.collect();
        let policy = taught(
            context,
            &task,
            base.clone(),
            (&graded, &rewards),
            (settings.lessons, seed),
        )?;
        let spent = spent(
            context,
            base.clone(),
            (&graded, &rewards),
            (settings.spent, seed),
        )?;
        let problems = tested(&task, settings.tested, seed);
        let plain = device.clone().inner();
        let right = |policy: &Policy| -> Result<f64> {
            Ok(accuracy(&policy.valid(), &task, &problems, &plain)?.all)
        };
        let greedy = [right(&base)?, right(&policy)?, right(&spent)?];
        Self::sampled(context, &task, (&policy, problems), (greedy, seed))
    }

    fn sampled(
        context: &Context,
        task: &Chain,
        (policy, problems): (&Policy, Vec<Problem>),
        (greedy, seed): ([f64; 3], u64),
    ) -> Result<Self> {
        let plain = context.device.clone().inner();
        let rollouts = drawn(
            context,
            task,
            policy,
            (&problems, MOST),
            stream(seed, Stream::Tested).random(),
        )?;
        let policy = policy.valid();
        let evaluation = SelfEvaluation::new(&policy, question()?, &plain);
        let prompts: Vec<Vec<u32>> = problems.iter().map(|one| task.prompt(one)).collect();
        let of_text =
            |prompt: usize, text: &Completion| (prompts[prompt].clone(), text.tokens().to_vec());
        let (mut distinct, mut seen) = (Vec::new(), HashMap::new());
        let mut samples: Vec<Vec<Sampled>> = vec![Vec::new(); problems.len()];
        for one in rollouts.rollouts() {
            let text = &one.completion;
            if seen.insert(of_text(one.prompt, text), ()).is_none() {
                distinct.push((one.prompt, text.clone()));
            }
            samples[one.prompt].push(Sampled {
                text: text.clone(),
                right: task.is_right(&problems[one.prompt], text),
            });
        }
        let scored = |texts: &[(usize, Completion)]| -> Result<Vec<f64>> {
            let pairs: Vec<_> = texts
                .iter()
                .map(|(prompt, text)| (prompts[*prompt].as_slice(), text))
                .collect();
            let found = evaluation.scores(&pairs)?;
            let upside_down = context.is_broken_by("yes-is-good");
            Ok(found
                .into_iter()
                .map(|score| if upside_down { 1.0 - score } else { score })
                .collect())
        };
        let own = scored(&distinct)?;
        let mut permuted = own.clone();
        permuted.shuffle(&mut stream(seed, Stream::Permuted));
        let all = distinct.iter().zip(own.iter().zip(permuted));
        let scores = all.map(|((prompt, text), (own, permuted))| {
            let logs = text.log_probs().iter().flatten().map(|log| f64::from(*log));
            let mean = logs.sum::<f64>() / text.count_sampled().max(1) as f64;
            (of_text(*prompt, text), [*own, mean.exp(), permuted])
        });
        let scores = scores.collect();
        let halves = distinct
            .iter()
            .map(|(prompt, text)| Ok((*prompt, beginning(text)?)));
        let halves = halves.collect::<Result<Vec<_>>>()?;
        let of_halves = scored(&halves)?;
        let beginnings = halves.iter().zip(of_halves);
        let beginnings = beginnings.map(|((prompt, text), score)| (of_text(*prompt, text), score));
        Ok(Self {
            classes: problems.iter().map(|one| task.class(one)).collect(),
            operations: problems.iter().map(|one| task.results(one).len()).collect(),
            beginnings: beginnings.collect(),
            prompts,
            samples,
            scores,
            greedy,
        })
    }

    /// The score of a whole sample.
    pub(super) fn score(&self, by: Score, prompt: &[u32], text: &Completion) -> f64 {
        let key = (prompt.to_vec(), text.tokens().to_vec());
        self.scores
            .get(&key)
            .map_or(f64::NAN, |all| all[by as usize])
    }

    /// What the policy says of a half of a sample.
    pub(super) fn of_beginning(&self, prompt: &[u32], text: &Completion) -> f64 {
        let key = (prompt.to_vec(), text.tokens().to_vec());
        self.beginnings.get(&key).copied().unwrap_or(f64::NAN)
    }
}

/// Samples of a policy at temperature 1.
fn drawn(
    context: &Context,
    task: &Chain,
    policy: &Policy,
    (problems, samples): (&[Problem], usize),
    seed: u64,
) -> Result<Rollouts> {
    let prompts: Vec<Vec<u32>> = problems.iter().map(|one| task.prompt(one)).collect();
    let device = context.device.clone().inner();
    Ok(generate(
        &policy.valid(),
        &prompts,
        samples,
        &sampling(task)?,
        seed,
        &device,
    )?)
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

/// Teaches the question by graded samples and their beginnings; half of each update is ordinary demonstrations.
fn taught(
    context: &Context,
    task: &Chain,
    mut policy: Policy,
    (graded, rewards): (&Rollouts, &[f64]),
    ((updates, rate), seed): ((usize, f64), u64),
) -> Result<Policy> {
    let mut rng = stream(seed, Stream::Taught);
    let labels = if context.is_broken_by("strict-wins") {
        strictly(rewards)
    } else {
        win_or_tie(graded, rewards, 0.0)?
    };
    let lessons = question()?.lessons(graded, &labels, 1, &mut rng)?;
    let all = lessons.rollouts();
    let mut optim = AdamWConfig::new().with_epsilon(1e-8).init();
    let plan = WarmUp {
        updates,
        batch: HALF,
        rate,
    };
    for update in 0..updates {
        let some = (0..HALF).map(|_| {
            let Rollout { prompt, completion } = &all[rng.random_range(0..all.len())];
            (lessons.prompts()[*prompt].clone(), completion.clone())
        });
        let asked = Sequences::new(&pairs(some.collect())?, BLANK, &context.device)?;
        let shown = (0..HALF).map(|_| {
            let problem = task.problem(Part::Training, &mut rng);
            (task.prompt(&problem), task.taught(&problem, &mut rng))
        });
        let shown = Sequences::new(&pairs(shown.collect())?, BLANK, &context.device)?;
        let loss = imitation(&policy, &asked)? + imitation(&policy, &shown)?;
        let grads = GradientsParams::from_grads(loss.backward(), &policy);
        policy = optim.step(plan.rate_at(update), policy, grads);
    }
    Ok(policy)
}

/// The graded samples spent otherwise: as many updates of as many demonstrations, of right samples alone.
fn spent(
    context: &Context,
    policy: Policy,
    (graded, rewards): (&Rollouts, &[f64]),
    ((updates, rate), seed): ((usize, f64), u64),
) -> Result<Policy> {
    let mut rng = stream(seed, Stream::Spent);
    let right = graded
        .rollouts()
        .iter()
        .zip(rewards)
        .filter(|(_, reward)| **reward > 0.0);
    let right: Vec<&Rollout> = right.map(|(one, _)| one).collect();
    let plan = WarmUp {
        updates,
        batch: 2 * HALF,
        rate,
    };
    plan.run(policy, &context.device, || {
        let one = right[rng.random_range(0..right.len())];
        (graded.prompts()[one.prompt].clone(), one.completion.clone())
    })
}
