//! The arms that are trained: on improved answers at the policy's own states, on the same with histories of other prompts, and on the best of
//! as many answers to the prompts alone.

use anyhow::Result;
use burn::module::Module;
use burn::optim::GradientsParams;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, End, SamplePolicy};
use regimen_rl_rewards::recipes::{Episode, Example, Rise};

use super::answers::{distance, rotate};
use super::bench::{Bench, turns};
use crate::experiment::{Context, Trial};
use crate::optim::adam;
use crate::rl_rewards::bed::budget::Budget;
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::sampler::Sampler;
use crate::rl_rewards::bed::symbols::BLANK;
use crate::rl_rewards::bed::task::Task;

/// Answers at a state of which the best one is taken.
const SAMPLES: usize = 8;
/// Examples of an update.
const BATCH: usize = 64;

/// Data for the arms, from equally many answers of the base policy.
pub(super) struct Data {
    pub(super) rise: Vec<Example>,
    pub(super) permuted: Vec<Example>,
    /// The first right answer to each prompt.
    pub(super) best: Vec<Example>,
    /// All different right answers.
    pub(super) all: Vec<Example>,
    /// Of RISE and of rejection.
    pub(super) budgets: [Budget; 2],
    /// Log-probabilities of the improved answers: the largest distance of the drawn ones from the base policy's at the states of the examples.
    pub(super) off: f64,
}

/// The recipe; the paper's, with fewer samples.
pub(super) fn rise() -> Result<Rise> {
    Ok(Rise::new().with_samples(SAMPLES)?)
}

/// Samples the data of all arms.
pub(super) fn data(context: &Context, bench: &Bench, seed: u64) -> Result<Data> {
    let (policy, device) = (bench.base.valid(), context.device.clone().inner());
    let sampler = Sampler {
        policy: &policy,
        task: &bench.task,
        temperature: 1.0,
        device: &device,
    };
    let prompts = bench.tokens(&bench.prompts);
    let width = prompts[0].len();
    let reward = bench.reward(&bench.prompts);
    let episodes = turns()?.episodes(&sampler, &prompts, seed, &reward)?;
    let at_first = context.is_broken_by("improved-at-the-first-state");
    let mut visited = episodes.clone();
    if at_first {
        let turns = visited.iter_mut().flat_map(|one| &mut one.turns);
        turns.for_each(|turn| turn.state.truncate(width));
    }
    let recipe = rise()?.with_duplicates();
    let mut improved = recipe.improve(&sampler, &visited, seed + 1, &reward)?;
    if at_first {
        let states = episodes.iter().flat_map(|one| &one.turns);
        for (example, turn) in improved.examples.iter_mut().zip(states) {
            example.state.clone_from(&turn.state);
        }
    }
    let rise = rise()?.keep(improved.examples);
    let answers: usize = episodes.iter().map(|one| one.turns.len()).sum();
    let answers = answers + improved.answers;
    let sampled: usize = episodes.iter().map(Episode::count_sampled).sum();
    let later = rise.iter().filter(|one| !one.before.is_empty());
    let later = later.map(|one| (one.state.clone(), one.answer.clone()));
    let off = distance(&policy, 1.0, later.collect(), &device)?;

    let mut permuted = rise.clone();
    permuted.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut states: Vec<Vec<u32>> = permuted.iter().map(|one| one.state.clone()).collect();
    rotate(&mut states, width);
    for (example, state) in permuted.iter_mut().zip(states) {
        example.state = state;
    }

    let (mut best, mut all) = (Vec::new(), Vec::new());
    let mut alone = Budget {
        verified: answers,
        ..Budget::default()
    };
    // As many answers: one more for some of the prompts.
    let (each, more) = (answers / prompts.len(), answers % prompts.len());
    for (from, to, count) in [(0, more, each + 1), (more, prompts.len(), each)] {
        if from == to {
            continue;
        }
        let rollouts = sampler.sample(&prompts[from..to], count, seed + 2)?;
        alone.sampled += rollouts.count_sampled();
        for group in rollouts.groups() {
            let mut seen: Vec<&Completion> = Vec::new();
            for place in group {
                let one = &rollouts.rollouts()[place];
                let same = |other: &&Completion| other.tokens() == one.completion.tokens();
                if reward(from + one.prompt, &one.completion) == 0.0 || seen.iter().any(same) {
                    continue;
                }
                let example = Example {
                    state: prompts[from + one.prompt].clone(),
                    answer: one.completion.clone(),
                    reward: 1.0,
                    before: Vec::new(),
                    is_repeat: false,
                };
                if seen.is_empty() {
                    best.push(example.clone());
                }
                seen.push(&one.completion);
                all.push(example);
            }
        }
    }
    let own = Budget {
        sampled: sampled + improved.sampled,
        verified: answers,
        ..Budget::default()
    };
    Ok(Data {
        rise,
        permuted,
        best,
        all,
        budgets: [own, alone],
        off,
    })
}

/// What training on examples gave.
pub(super) struct Done {
    pub(super) policy: Policy,
    pub(super) budget: Budget,
    /// Trained tokens that are of other answers than the examples'.
    pub(super) earlier: usize,
}

/// Updates of every arm that is trained.
pub(super) fn updates(context: &Context) -> usize {
    match context {
        Context { full: true, .. } => 1000,
        Context { small: true, .. } => 10,
        _ => 100,
    }
}

/// Trains the base policy on examples, in passes in random order.
pub(super) fn train(
    context: &Context,
    bench: &Bench,
    examples: &[Example],
    recipe: &Rise,
    (rate, seed): (f64, u64),
) -> Result<Done> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut optim = adam(0.999);
    let mut done = Done {
        policy: bench.base.clone(),
        budget: Budget::default(),
        earlier: 0,
    };
    let width = bench.task.prompt(&bench.prompts[0]).len();
    let mut order = Vec::new();
    for _ in 0..updates(context) {
        while order.len() < BATCH {
            let mut pass: Vec<usize> = (0..examples.len()).collect();
            pass.shuffle(&mut rng);
            order.extend(pass);
        }
        let few = order.drain(..BATCH).map(|place| examples[place].clone());
        let mut few: Vec<Example> = few.collect();
        let answers: usize = few.iter().map(|one| one.answer.count_sampled()).sum();
        if context.is_broken_by("loss-on-all-lines") {
            few = few.into_iter().map(|one| whole(one, width)).collect();
        }
        let trained: usize = few.iter().map(|one| one.answer.count_sampled()).sum();
        let (loss, _) = recipe.loss(&done.policy, &few, BLANK, &context.device)?;
        let grads = GradientsParams::from_grads(loss.backward(), &done.policy);
        done.policy = optim.step(rate, done.policy, grads);
        done.budget.updates += 1;
        done.budget.trained += trained;
        done.earlier += trained - answers;
    }
    Ok(done)
}

/// The example whose answer holds the answers before it too.
fn whole(example: Example, width: usize) -> Example {
    let mut answer = Completion::new(End::Truncated);
    for token in &example.state[width..] {
        // 0 is a log-probability.
        let added = answer.sampled(*token, 0.0);
        debug_assert!(added.is_ok());
    }
    for (token, log_prob) in example
        .answer
        .tokens()
        .iter()
        .zip(example.answer.log_probs())
    {
        match log_prob {
            Some(log_prob) => {
                let added = answer.sampled(*token, *log_prob);
                debug_assert!(added.is_ok());
            }
            None => answer.observed(*token),
        }
    }
    Example {
        state: example.state[..width].to_vec(),
        answer,
        ..example
    }
}

/// Notes what an arm cost.
pub(super) fn record(trial: &mut Trial, arm: &str, sampled: &Budget, done: &Done) {
    let budget = Budget {
        sampled: sampled.sampled,
        verified: sampled.verified,
        ..done.budget
    };
    budget.record(trial, arm);
    trial.record(
        arm,
        "trained tokens of earlier answers",
        done.earlier as f64,
    );
}
