//! The arms of both tasks.

use anyhow::Result;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::{
    AdaptiveDifficulty, AdaptiveDifficultyConfig, Sampler, difficulty, normalised_inversions,
};

use super::super::bed::policy::Policy;
use super::learn::{Exercise, Learner, Rescue, Side, Tally};
use super::rows::{Namer, Rows};
use super::text::Text;
use crate::experiment::Context;

/// Rows an update.
const BATCH: usize = 8;

/// Attempts by which a row's difficulty is estimated.
const ATTEMPTS: usize = 16;

/// Scorings that tell what chance does; they are no part of any arm's cost.
const AGAIN: u64 = 4;

/// Chunks of a curriculum.
const CHUNKS: usize = 4;

/// In which order rows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Another random order each pass.
    Random,
    /// Short rows first.
    Length,
    /// By the first scores.
    Static,
    /// In chunks by the first scores, in random order inside.
    Shuffled,
    /// By scores of the policy as it is: the method.
    Adaptive,
}

/// An arm of the rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arm {
    pub(super) order: Order,
    pub(super) rescue: Rescue,
    pub(super) samples: usize,
    pub(super) rate: f64,
    /// Rollouts after which it stops, scoring and guidance counted; one pass if none.
    pub(super) until: Option<usize>,
}

/// What an arm gave.
pub(super) struct Done<P> {
    pub(super) policy: P,
    pub(super) tally: Tally,
    /// Of the chunks that were scored anew: the inversions, less those of a second scoring by the first policy.
    pub(super) excess: f64,
    /// The inversions themselves.
    pub(super) inversions: f64,
}

/// The rows, with what all arms start from.
pub(super) struct RowsBench<'a> {
    pub(super) context: &'a Context,
    pub(super) rows: Rows,
    pub(super) base: Namer,
    pub(super) seed: u64,
}

impl RowsBench<'_> {
    /// The difficulties of some rows by attempts of a policy.
    fn scores(&self, policy: &Namer, ids: &[usize], seed: u64) -> Result<Vec<f32>> {
        use burn::module::Module;
        let prompts = ids.iter().map(|id| self.rows.exercises[*id].prompt.clone());
        let prompts: Vec<_> = prompts.collect();
        let rollouts = self
            .rows
            .sample(&policy.valid(), &prompts, ATTEMPTS, seed)?;
        let mut successes = vec![0; ids.len()];
        for one in rollouts.rollouts() {
            let exercise = &self.rows.exercises[ids[one.prompt]];
            successes[one.prompt] += usize::from(self.rows.is_right(exercise, &one.completion));
        }
        let scores = successes
            .into_iter()
            .map(|right| difficulty(right, ATTEMPTS));
        Ok(scores.collect::<Result<_, _>>()?)
    }

    /// Trains on the rows in an arm's order.
    pub(super) fn run(&self, arm: Arm) -> Result<Done<Namer>> {
        let device = &self.context.device;
        let mut learner = Learner::new(&self.rows, &self.base, arm.rate, self.seed, device);
        learner.samples = arm.samples;
        learner.hint_left_on =
            arm.rescue == Rescue::Guided && self.context.is_broken_by("hint-left-on");
        let all: Vec<usize> = (0..self.rows.exercises.len()).collect();
        let mut done = match arm.order {
            Order::Random => {
                let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
                // The rows were drawn by the first stream, the warm start by the second.
                rng.set_stream(2);
                let until = arm.until.unwrap_or(0);
                loop {
                    let mut ids = all.clone();
                    ids.shuffle(&mut rng);
                    self.train(&mut learner, &ids, arm.rescue, arm.until)?;
                    if learner.tally.rollouts >= until {
                        break;
                    }
                }
                (0.0, 0.0)
            }
            Order::Length => {
                let lengths = self
                    .rows
                    .exercises
                    .iter()
                    .map(|one| one.answer.len() as f32);
                let lengths: Vec<f32> = lengths.collect();
                let mut sampler = AdaptiveDifficultyConfig::new(1).init(&lengths)?;
                self.train(&mut learner, &sampler.plan().ids, arm.rescue, None)?;
                (0.0, 0.0)
            }
            order => self.curriculum(&mut learner, order, arm.rescue)?,
        };
        if !done.0.is_finite() {
            done = (0.0, 0.0);
        }
        Ok(Done {
            policy: learner.policy,
            tally: learner.tally,
            excess: done.0,
            inversions: done.1,
        })
    }

    fn train(
        &self,
        learner: &mut Learner<'_, Rows>,
        ids: &[usize],
        rescue: Rescue,
        until: Option<usize>,
    ) -> Result<()> {
        for batch in ids.chunks(BATCH) {
            if until.is_some_and(|until| learner.tally.rollouts >= until) {
                break;
            }
            let batch = batch.iter().map(|id| self.rows.exercises[*id].clone());
            learner.step(&batch.collect::<Vec<_>>(), rescue)?;
        }
        Ok(())
    }

    /// Easy rows first; the excess of inversions over those by chance, and the inversions, of the chunks that were scored anew.
    fn curriculum(
        &self,
        learner: &mut Learner<'_, Rows>,
        order: Order,
        rescue: Rescue,
    ) -> Result<(f64, f64)> {
        let all: Vec<usize> = (0..self.rows.exercises.len()).collect();
        // Seeds far from those of training.
        let seed = |number: u64| !self.seed.wrapping_mul(1 << 20).wrapping_add(number);
        let first = self.scores(&self.base, &all, seed(0))?;
        // What chance alone inverts: the mean of some scorings by the same policy.
        let again = (0..AGAIN).map(|number| self.scores(&self.base, &all, seed(100 + number)));
        let again = again.collect::<Result<Vec<_>>>()?;
        learner.tally.rollouts += all.len() * ATTEMPTS;
        let config = AdaptiveDifficultyConfig::new(CHUNKS).with_shuffle(order == Order::Shuffled);
        let mut sampler = config.with_seed(self.seed).init(&first)?;
        let (mut excess, mut inversions) = (0.0, 0.0);
        for chunk in 0..CHUNKS {
            let ids = sampler.plan().ids;
            if let Some(shift) = sampler.shift() {
                let by_chance = again.iter().map(|again| inverted(&ids, &first, again));
                let by_chance = by_chance.sum::<Result<f64>>()? / AGAIN as f64;
                inversions += shift / (CHUNKS - 1) as f64;
                excess += (shift - by_chance) / (CHUNKS - 1) as f64;
            }
            self.train(learner, &ids, rescue, None)?;
            if order == Order::Adaptive && chunk + 1 < CHUNKS {
                self.score_next(&mut sampler, learner, seed(2 + chunk as u64))?;
            }
        }
        Ok((excess, inversions))
    }

    fn score_next(
        &self,
        sampler: &mut AdaptiveDifficulty,
        learner: &mut Learner<'_, Rows>,
        seed: u64,
    ) -> Result<()> {
        let next = sampler.to_score().to_vec();
        let policy = if self.context.is_broken_by("stale-scores") {
            &self.base
        } else {
            &learner.policy
        };
        let scores = self.scores(policy, &next, seed)?;
        learner.tally.rollouts += next.len() * ATTEMPTS;
        Ok(sampler.observe(&next, &scores)?)
    }
}

/// The rate of inversions between two scores of some rows.
fn inverted(ids: &[usize], old: &[f32], new: &[f32]) -> Result<f64> {
    let of = |scores: &[f32]| -> Vec<f64> { ids.iter().map(|id| f64::from(scores[*id])).collect() };
    Ok(normalised_inversions(&of(old), &of(new))?)
}

/// When an arm of the text stops.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    Updates(usize),
    Tokens(usize),
}

/// The length of post-training in text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    pub(super) updates: usize,
    pub(super) prompts: usize,
}

impl Length {
    pub(super) fn of(context: &Context) -> Self {
        let updates = match context {
            Context { full: true, .. } => 200,
            Context { small: true, .. } => 16,
            _ => 40,
        };
        Self {
            updates,
            prompts: 16,
        }
    }
}

/// Trains on chains.
pub(super) fn post_train(
    context: &Context,
    text: &Text,
    rescue: Rescue,
    rate: f64,
    seed: u64,
    until: Until,
) -> Result<Done<Policy>> {
    let device = &context.device;
    let mut learner = Learner::new(text, &text.base, rate, seed, device);
    learner.hint_left_on = rescue == Rescue::Guided && context.is_broken_by("hint-left-on");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    let length = Length::of(context);
    let goes_on = |tally: &Tally| match until {
        Until::Updates(updates) => tally.updates < updates,
        Until::Tokens(tokens) => tally.tokens < tokens,
    };
    while goes_on(&learner.tally) {
        let batch = (0..length.prompts).map(|_| text.exercise(&mut rng));
        learner.step(&batch.collect::<Vec<Exercise>>(), rescue)?;
    }
    Ok(Done {
        policy: learner.policy,
        tally: learner.tally,
        excess: 0.0,
        inversions: 0.0,
    })
}
