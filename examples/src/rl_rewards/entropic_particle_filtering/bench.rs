//! The policy, the hard prompts that it is tested on, and the two process rewards.

use anyhow::Result;
use burn::module::Module;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, Decoding, End, generate};
use regimen_rl_rewards::search::{Budget, Found};

use super::beginnings::Beginnings;
use super::scorer::{Labelled, Scorer};
use super::settings::Settings;
use crate::experiment::Context;
use crate::rl_rewards::bed::chain::{Chain, Class, Problem};
use crate::rl_rewards::bed::evaluate::sampling;
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::symbols::ANSWER;
use crate::rl_rewards::bed::task::Part;

/// Operations of a prompt, and steps of an answer: each running result is one, and what follows the last is one.
pub(super) const OPERATIONS: usize = 6;
pub(super) const STEPS: usize = OPERATIONS + 1;

/// Streams of a seed's generator. The facts of the chain are of the first.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Shown = 30,
    Tested,
    Fitted,
    Calibrated,
}

pub(super) fn stream(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// Whether the labels of a process reward's samples tell right from wrong, or take what the policy was taught for right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fair,
    /// In half of the samples.
    OverConfident,
    /// In all of them.
    AsTaught,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Fair, Self::OverConfident, Self::AsTaught];
    /// Those that the main figure is the mean of.
    pub(super) const MAIN: [Self; 2] = [Self::Fair, Self::OverConfident];

    /// Those of a size.
    pub(super) fn of(context: &Context) -> &'static [Self] {
        if context.full {
            &Self::ALL
        } else {
            &Self::MAIN
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fair => "fair",
            Self::OverConfident => "over-confident",
            Self::AsTaught => "as taught",
        }
    }

    /// The share of the samples in which the warm-up's wrong values are labelled right.
    fn fooled(self) -> f64 {
        match self {
            Self::Fair => 0.0,
            Self::OverConfident => 0.5,
            Self::AsTaught => 1.0,
        }
    }
}

pub(super) struct Bench {
    pub(super) task: Chain,
    /// Without autodiff.
    pub(super) policy: Policy,
    pub(super) decoding: Decoding,
    pub(super) problems: Vec<Problem>,
    pub(super) prompts: Vec<Vec<u32>>,
    scorers: Vec<Scorer>,
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
        Self::with(context, seed, Settings::of(context))
    }

    pub(super) fn with(context: &Context, seed: u64, settings: Settings) -> Result<Self> {
        let device = &context.device;
        device.seed(seed);
        let task = Chain::long(seed);
        let config = if context.small {
            PolicyConfig::new().with_width(32).with_hidden(64)
        } else {
            PolicyConfig::new()
        };
        let mut rng = stream(seed, Stream::Shown);
        let warm_up = settings.warm_up;
        let base = warm_up.teach(config.init(device), &task, &mut rng, device)?;
        let decoding = sampling(&task)?;
        let count = match context {
            Context { small: true, .. } => 24,
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
        let samples = if context.small { 200 } else { 1000 };
        let mut scorers = Vec::new();
        for kind in Kind::of(context) {
            let mut rng = stream(seed, Stream::Fitted);
            let texts = labelled(&task, &base, context, (samples, kind.fooled()), &mut rng)?;
            scorers.push(Scorer::fit(&texts, settings.fit, seed, device)?);
        }
        Ok(Self {
            policy: base.valid(),
            decoding,
            task,
            problems,
            prompts,
            scorers,
        })
    }

    pub(super) fn scorer(&self, kind: Kind) -> &Scorer {
        &self.scorers[kind as usize]
    }

    /// The share of prompts, in percent, whose right beginning of so many steps a filter went on with.
    pub(super) fn kept(&self, beginnings: &Beginnings<'_>, steps: usize) -> f64 {
        let results: Vec<Vec<u32>> = self
            .problems
            .iter()
            .map(|one| self.task.results(one))
            .collect();
        let pairs = self.prompts.iter().zip(&results);
        let right: Vec<_> = pairs
            .map(|(prompt, results)| (prompt.as_slice(), &results[..steps]))
            .collect();
        beginnings.kept(&right)
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
}

/// Samples of the policy on training prompts with the labels of a reward.
pub(super) fn labelled(
    task: &Chain,
    policy: &Policy,
    context: &Context,
    (count, fooled): (usize, f64),
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
        let as_taught = rng.random::<f64>() < fooled;
        Labelled {
            prompt: prompts[one.prompt].clone(),
            labels: labels(task, &problems[one.prompt], &one.completion, as_taught),
            text: one.completion.clone(),
        }
    });
    Ok(texts.collect())
}

/// A search is bounded by its own settings.
pub(super) fn unbounded() -> Budget {
    Budget::unbounded()
}
