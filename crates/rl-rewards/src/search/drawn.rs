//! Whole answers of many prompts, drawn a few at a time under a budget.

use std::sync::Arc;
use std::time::Instant;

use super::budget::{Budget, Spent};
use super::found::{Found, Progress, Watch};
use super::rounds::seed_of;
use crate::error::{Result, RlRewardsError};
use crate::policy::{Completion, Rollouts, SamplePolicy};

/// How answers are drawn: `samples` of each prompt, `at_once` of them in a round.
pub(super) struct Drawn {
    pub(super) prompts: usize,
    pub(super) samples: usize,
    pub(super) at_once: usize,
    pub(super) budget: Budget,
    pub(super) seed: u64,
    /// Whether the reward looks at each answer.
    pub(super) scored: bool,
}

/// Samples of prompts, by the answers that each has already, the number of samples and the seed.
pub(super) type Sample<'a> = dyn Fn(usize, &[Vec<u32>], usize, u64) -> Result<Rollouts> + 'a;

/// What a search reads and makes of answers.
pub(super) trait Take {
    /// What the next answers of a prompt come after.
    fn text(&self, at: usize) -> Vec<u32>;

    /// Takes the new answers of a prompt in: whether it wants no more of them.
    fn take(&mut self, at: usize, new: Vec<Arc<Completion>>, found: &mut Found) -> Result<bool>;
}

impl Drawn {
    /// Draws, and gives each prompt's answers of a round to `take`.
    pub(super) fn run<P: SamplePolicy + ?Sized>(
        &self,
        policy: &P,
        take: &mut dyn Take,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Found>> {
        let sample =
            |_: usize, prompts: &[Vec<u32>], samples, seed| policy.sample(prompts, samples, seed);
        self.run_by(&sample, take, watch)
    }

    /// As [`run`](Self::run), by what samples after so many answers.
    pub(super) fn run_by(
        &self,
        sample: &Sample<'_>,
        take: &mut dyn Take,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Found>> {
        let since = Instant::now();
        let mut found: Vec<Found> = (0..self.prompts).map(|_| Found::nothing()).collect();
        let mut open: Vec<usize> = (0..self.prompts).collect();
        let (mut round, mut drawn) = (0, 0);
        while drawn < self.samples && !open.is_empty() {
            let mut count = self.at_once.min(self.samples - drawn);
            // The last round is as large as what is left, which is the same for all open prompts.
            if let Some(at) = open.first() {
                count = count.min(self.budget.answers_left(&found[*at].spent, self.scored));
            }
            let calls = count.max(1) as u64;
            let scorings = if self.scored { calls } else { 0 };
            open.retain(|at| {
                let one = &mut found[*at];
                let goes = self.budget.allows(&one.spent, [calls, scorings], since);
                one.cut_off = !goes;
                goes
            });
            if open.is_empty() {
                break;
            }
            let seed = seed_of(self.seed, 0, round as u64, 0);
            let prompts: Vec<Vec<u32>> = open.iter().map(|at| take.text(*at)).collect();
            let rollouts = sample(drawn, &prompts, count, seed)?;
            let mut groups: Vec<Vec<Arc<Completion>>> = open.iter().map(|_| Vec::new()).collect();
            for one in rollouts.rollouts() {
                // Of a prompt that was not asked for, where the policy gives one.
                if let Some(group) = groups.get_mut(one.prompt) {
                    group.push(Arc::new(one.completion.clone()));
                }
            }
            let mut goes_on = Vec::with_capacity(open.len());
            for (at, answers) in open.into_iter().zip(groups) {
                if answers.len() != count {
                    return Err(RlRewardsError::OutOfRange {
                        field: "samples",
                        value: format!("{} of a prompt", answers.len()),
                        allowed: "as many as asked for",
                    });
                }
                let tokens = answers.iter().map(|one| one.count_sampled() as u64).sum();
                found[at].spent += Spent {
                    tokens,
                    calls,
                    scorings,
                };
                if !take.take(at, answers, &mut found[at])? {
                    goes_on.push(at);
                }
            }
            open = goes_on;
            (round, drawn) = (round + 1, drawn + count);
            let progress = Progress {
                round,
                open: open.len(),
                found: &found,
            };
            if watch.round(&progress).is_break() {
                let is_left = drawn < self.samples;
                open.iter().for_each(|at| found[*at].cut_off = is_left);
                break;
            }
        }
        Ok(found)
    }
}
