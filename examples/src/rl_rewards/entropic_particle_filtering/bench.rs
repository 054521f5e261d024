//! The policy, the hard prompts that it is tested on, and the two process rewards.

use anyhow::{Result, ensure};
use burn::module::Module;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, Decoding, End, generate};
use regimen_rl_rewards::search::{Budget, Found, ProcessReward};

use super::scorer::{Labelled, Scorer};
use crate::experiment::{Context, Trial};
use crate::rl_rewards::bed::chain::{Chain, Class, Problem};
use crate::rl_rewards::bed::evaluate::{accuracy, sampling};
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::symbols::ANSWER;
use crate::rl_rewards::bed::task::Part;
use crate::rl_rewards::bed::warm_up::WarmUp;

/// Operations of a prompt, and steps of an answer: each running result is one, and what follows the last is one.
pub(super) const OPERATIONS: usize = 6;
pub(super) const STEPS: usize = OPERATIONS + 1;

/// The share of samples that the over-confident reward's labels take the warm-up's wrong values for right in.
const FOOLED: f64 = 0.5;

/// Streams of a seed's generator. The facts of the chain are of the first.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Shown = 30,
    Tested,
    Fitted,
    Calibrated,
}

fn stream(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// Whether a process reward tells right from wrong, or takes what the policy was taught for right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fair,
    OverConfident,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Fair, Self::OverConfident];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fair => "fair",
            Self::OverConfident => "over-confident",
        }
    }
}

pub(super) struct Bench {
    pub(super) task: Chain,
    /// Without autodiff.
    pub(super) policy: Policy,
    pub(super) decoding: Decoding,
    problems: Vec<Problem>,
    pub(super) prompts: Vec<Vec<u32>>,
    pub(super) scorers: [Scorer; 2],
}

/// Ends a step: a running result, up to the answer's mark.
pub(super) fn ends_step(tokens: &[u32]) -> bool {
    !tokens.contains(&ANSWER)
}

/// The labels of a text's beginnings: the number of tokens of each, and whether all of it follows.
fn labels(
    task: &Chain,
    problem: &Problem,
    text: &Completion,
    as_taught: bool,
) -> Vec<(usize, bool)> {
    let results = text
        .tokens()
        .split(|token| *token == ANSWER)
        .next()
        .unwrap_or(&[]);
    let mut right = true;
    let follows = task.follows(problem, results, as_taught);
    let mut found: Vec<(usize, bool)> = Vec::new();
    for (place, follows) in follows.into_iter().enumerate() {
        right &= follows;
        found.push((place + 1, right));
    }
    if text.end() == End::EndToken {
        let says = text.content().last() == results.last();
        let whole = results.len() == OPERATIONS && text.len() == OPERATIONS + 3;
        found.push((text.len(), right && whole && says));
    }
    found
}

impl Bench {
    pub(super) fn new(context: &Context, seed: u64) -> Result<Self> {
        Self::fitted(context, seed, super::tune::FIT)
    }

    /// With process rewards of so many updates at a rate.
    pub(super) fn fitted(context: &Context, seed: u64, fit: (usize, f64)) -> Result<Self> {
        let device = &context.device;
        device.seed(seed);
        let task = Chain::long(seed);
        let warm_up = WarmUp {
            updates: if context.small {
                700
            } else {
                super::tune::WARM_UP
            },
            ..WarmUp::default()
        };
        let config = PolicyConfig::new();
        let mut rng = stream(seed, Stream::Shown);
        let base = warm_up.teach(config.init(device), &task, &mut rng, device)?;
        let decoding = sampling(&task)?;
        let count = match context {
            Context { small: true, .. } => 60,
            Context { full: true, .. } => 1000,
            _ => 250,
        };
        let mut rng = stream(seed, Stream::Tested);
        let mut problems: Vec<Problem> = Vec::new();
        while problems.len() < count {
            let problem = task.problem_of(OPERATIONS, Part::HeldOut, &mut rng);
            // No prompt twice: its draws would be the same.
            if task.class(&problem) == Class::SeveralWeak && !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        let prompts = problems
            .iter()
            .map(|problem| task.prompt(problem))
            .collect();
        let samples = if context.small { 400 } else { 1000 };
        let mut scorers = Vec::new();
        for kind in Kind::ALL {
            let mut rng = stream(seed, Stream::Fitted);
            let texts = labelled(&task, &base, context, (samples, kind), &mut rng)?;
            scorers.push(Scorer::fit(&base, &texts, fit, seed, device)?);
        }
        let [fair, fooled]: [Scorer; 2] = scorers
            .try_into()
            .map_err(|_| anyhow::anyhow!("two kinds"))?;
        Ok(Self {
            policy: base.valid(),
            decoding,
            task,
            problems,
            prompts,
            scorers: [fair, fooled],
        })
    }

    pub(super) fn scorer(&self, kind: Kind) -> &Scorer {
        &self.scorers[kind as usize]
    }

    /// The share of prompts, in percent, whose result is right.
    pub(super) fn right(&self, found: &[Found]) -> f64 {
        let pairs = self.problems.iter().zip(found);
        let right = pairs.filter(|(problem, found)| {
            let best = found.best.as_ref();
            best.is_some_and(|best| self.task.is_right(problem, &best.completion))
        });
        100.0 * right.count() as f64 / self.problems.len() as f64
    }

    /// What the policy can do alone, and how far each reward is from the truth early and late in an answer.
    pub(super) fn describe(&self, context: &Context, trial: &mut Trial) -> Result<()> {
        let device = context.device.clone().inner();
        let greedy = accuracy(&self.policy, &self.task, &self.problems, &device)?.all;
        trial.record("base", "main", greedy);
        let mut rng = stream(trial.seed, Stream::Calibrated);
        let texts = labelled(
            &self.task,
            &self.policy,
            context,
            (400, Kind::Fair),
            &mut rng,
        )?;
        for kind in Kind::ALL {
            let mut sums = [(0.0, 0.0); 2];
            // Scores of right and of wrong beginnings.
            let mut apart = [const { [const { Vec::new() }; 2] }; 2];
            for one in &texts {
                for (tokens, right) in &one.labels {
                    let beginning = beginning(&one.text, *tokens)?;
                    let score = self.scorer(kind).scores(&[(&one.prompt, &beginning)])?[0];
                    let (sum, count) = &mut sums[usize::from(*tokens > OPERATIONS / 2)];
                    apart[usize::from(*tokens > OPERATIONS / 2)][usize::from(*right)].push(score);
                    *sum += score - f64::from(u8::from(*right));
                    *count += 1.0;
                }
            }
            for ((sum, count), when) in sums.into_iter().zip(["early", "late"]) {
                let name = format!("{} score minus truth, {when}", kind.name());
                trial.record("base", &name, sum / f64::max(count, 1.0));
            }
            for ([wrong, right], when) in apart.iter().zip(["early", "late"]) {
                let name = format!("{} order of right and wrong, {when}", kind.name());
                trial.record("base", &name, order(right, wrong));
            }
        }
        let known = self.known(context)?;
        ensure!(
            context.small || known >= 60.0,
            "the warm-up is outside of its band: {known:.1} % of chains of known facts are right"
        );
        Ok(())
    }

    /// The share of chains of known facts, in percent, whose most probable answer is right.
    pub(super) fn known(&self, context: &Context) -> Result<f64> {
        let mut rng = stream(1, Stream::Calibrated);
        let mut known = Vec::new();
        while known.len() < 200 {
            let problem = self.task.problem_of(OPERATIONS, Part::HeldOut, &mut rng);
            if self.task.class(&problem) == Class::Known {
                known.push(problem);
            }
        }
        Ok(accuracy(
            &self.policy,
            &self.task,
            &known,
            &context.device.clone().inner(),
        )?
        .all)
    }
}

/// The chance that a right one is scored above a wrong one: the area under the curve.
fn order(right: &[f64], wrong: &[f64]) -> f64 {
    let above = |one: &f64| -> f64 {
        let of = wrong.iter().map(|other| match one.total_cmp(other) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        });
        of.sum()
    };
    let pairs = (right.len() * wrong.len()).max(1) as f64;
    right.iter().map(above).sum::<f64>() / pairs
}

/// The first tokens of a text.
fn beginning(text: &Completion, tokens: usize) -> Result<Completion> {
    let end = if tokens == text.len() {
        text.end()
    } else {
        End::Truncated
    };
    let mut found = Completion::new(end);
    for token in &text.tokens()[..tokens] {
        found.sampled(*token, 0.0)?;
    }
    Ok(found)
}

/// Samples of the policy on training prompts with the labels of a reward.
fn labelled(
    task: &Chain,
    policy: &Policy,
    context: &Context,
    (count, kind): (usize, Kind),
    rng: &mut ChaCha8Rng,
) -> Result<Vec<Labelled>> {
    let problems: Vec<Problem> = (0..count)
        .map(|_| task.problem_of(OPERATIONS, Part::Training, rng))
        .collect();
    let prompts: Vec<Vec<u32>> = problems
        .iter()
        .map(|problem| task.prompt(problem))
        .collect();
    let device = context.device.clone().inner();
    let rollouts = generate(
        &policy.valid(),
        &prompts,
        1,
        &sampling(task)?,
        rng.random(),
        &device,
    )?;
    let texts = rollouts.rollouts().iter().map(|one| {
        let fooled = kind == Kind::OverConfident && rng.random::<f64>() < FOOLED;
        Labelled {
            prompt: prompts[one.prompt].clone(),
            labels: labels(task, &problems[one.prompt], &one.completion, fooled),
            text: one.completion.clone(),
        }
    });
    Ok(texts.collect())
}

/// A search is bounded by its own settings.
pub(super) fn unbounded() -> Budget {
    Budget::unbounded()
}
