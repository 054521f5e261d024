//! # BeamSearch
//!
//! A beam over the steps of an answer.
//!
//! Source: "Scaling LLM Test-Time Compute Optimally can be More Effective than Scaling Model Parameters", arXiv 2408.03314, section 5.1.

use std::time::Instant;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::budget::{Budget, Spent};
use super::found::{Found, Progress, Unwatched, Watch};
use super::process_reward::ProcessReward;
use super::rounds::{Text, Wanted, go_on, seed_of};
use crate::error::{Result, check};
use crate::keyed::key;
use crate::policy::StepPolicy;

/// Beams, branches and steps at most.
const MOST: usize = 1 << 20;

/// Keeps the beginnings of the largest score, and goes on with each of them in several ways.
///
/// | parameter | range |
/// |---|---|
/// | `beams` | 1 to 2^20, `beams * branches` too: beginnings that are kept |
/// | `branches` | 1 to 2^20: steps that each is gone on with |
/// | `steps` | 1 to 2^20: steps of an answer at most |
///
/// The first step is made `beams * branches` times, each later one `branches` times for each beginning that is not over; equal texts count once. An
/// answer that is over keeps its place among the beams for as long as its score is large enough. The result is the whole answer with the largest score
/// that was ever among the candidates; where there is none, the best beginning.
///
/// ```
/// use regimen_rl_rewards::policy::{Beginning, Completion, Step, StepPolicy};
/// use regimen_rl_rewards::search::{BeamSearch, Budget};
/// use regimen_rl_rewards::Result;
///
/// /// Adds a digit that follows from the seed; three are an answer.
/// struct Digits;
/// impl StepPolicy for Digits {
///     fn steps(&self, beginnings: &[Beginning<'_>]) -> Result<Vec<Step>> {
///         let step = |one: &Beginning<'_>| {
///             let mut completion = one.so_far.clone();
///             completion.sampled((one.seed % 10) as u32, -2.3)?;
///             Ok(Step { over: completion.len() == 3, completion })
///         };
///         beginnings.iter().map(step).collect()
///     }
/// }
/// let sum = |_: &[u32], text: &Completion| text.tokens().iter().sum::<u32>().into();
/// let found = BeamSearch::new(4, 4, 3)?.run(&Digits, &sum, &[vec![1]], Budget::unbounded(), 0)?;
/// assert!(found[0].best.as_ref().is_some_and(|best| best.whole && best.score > 20.0));
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct BeamSearch {
    beams: usize,
    branches: usize,
    steps: usize,
}
checked_serde!(BeamSearch);

/// The beams of a prompt.
struct Beams {
    key: u64,
    texts: Vec<Text>,
    done: bool,
}

impl BeamSearch {
    /// So many beams, branches of each, and steps at most.
    ///
    /// # Errors
    /// If a number is not 1 to 2^20, or `beams * branches` is more.
    pub fn new(beams: usize, branches: usize, steps: usize) -> Result<Self> {
        Self {
            beams,
            branches,
            steps,
        }
        .checked()
    }

    /// Searches answers to each prompt, all prompts a step at a time. Draws follow from the seed, the prompt, the step and the branch.
    ///
    /// # Errors
    /// Those of the policy and of the reward, and if a score is not finite.
    pub fn run<P, R>(
        &self,
        policy: &P,
        reward: &R,
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
    ) -> Result<Vec<Found>>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        self.run_watched(policy, reward, prompts, budget, seed, &mut Unwatched)
    }

    /// As [`run`](Self::run), told of each step.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_watched<P, R>(
        &self,
        policy: &P,
        reward: &R,
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Found>>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let since = Instant::now();
        let mut found: Vec<Found> = prompts.iter().map(|_| Found::nothing()).collect();
        let start = |prompt: &Vec<u32>| Beams {
            key: key(prompt),
            texts: vec![Text::empty()],
            done: false,
        };
        let mut all: Vec<Beams> = prompts.iter().map(start).collect();
        for step in 1..=self.steps {
            let often = self.branches * if step == 1 { self.beams } else { 1 };
            for (beams, found) in all.iter_mut().zip(&mut found) {
                let open = beams.texts.iter().filter(|text| !text.over).count();
                let calls = open as u64 * often as u64;
                if beams.done || open == 0 {
                    beams.done = true;
                } else if !budget.allows(&found.spent, [calls; 2], since) {
                    (beams.done, found.cut_off) = (true, true);
                }
            }
            if all.iter().all(|beams| beams.done) {
                break;
            }
            self.step(
                policy,
                reward,
                prompts,
                (&mut all, &mut found),
                (step, often, seed),
            )?;
            let progress = Progress {
                round: step,
                open: all.iter().filter(|beams| !beams.done).count(),
                found: &found,
            };
            if watch.round(&progress).is_break() {
                for (beams, found) in all.iter().zip(&mut found) {
                    found.cut_off |= !beams.done;
                }
                break;
            }
        }
        Ok(found)
    }

    /// Goes on with every beginning, and keeps the best.
    fn step<P, R>(
        &self,
        policy: &P,
        reward: &R,
        prompts: &[Vec<u32>],
        (all, found): (&mut [Beams], &mut [Found]),
        (step, often, seed): (usize, usize, u64),
    ) -> Result<()>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let (mut wanted, mut of) = (Vec::new(), Vec::new());
        for (at, beams) in all.iter().enumerate().filter(|(_, beams)| !beams.done) {
            let open = beams.texts.iter().filter(|text| !text.over);
            for (branch, text) in open
                .flat_map(|text| std::iter::repeat_n(text, often))
                .enumerate()
            {
                wanted.push(Wanted {
                    prompt: &prompts[at],
                    so_far: &text.completion,
                    seed: seed_of(seed, beams.key, step as u64, branch as u64),
                });
                of.push(at);
            }
        }
        let texts = go_on(policy, reward, &wanted)?;
        let mut new: Vec<Vec<Text>> = all.iter().map(|_| Vec::new()).collect();
        for (at, (text, tokens)) in of.into_iter().zip(texts) {
            found[at].spent += Spent {
                tokens,
                calls: 1,
                scorings: 1,
            };
            new[at].push(text);
        }
        for ((beams, found), new) in all.iter_mut().zip(found).zip(new) {
            if beams.done {
                continue;
            }
            beams.texts.retain(|text| text.over);
            beams.texts.extend(new);
            // The first of equal scores stays the first.
            beams.texts.sort_by(|a, b| b.score.total_cmp(&a.score));
            let mut kept: Vec<Text> = Vec::new();
            if found.best.as_ref().is_some_and(|best| !best.whole) {
                found.best = None;
            }
            for text in beams.texts.drain(..) {
                found.offer(text.answer());
                let is_new = |one: &Text| one.completion.tokens() != text.completion.tokens();
                if kept.len() < self.beams && kept.iter().all(is_new) {
                    kept.push(text);
                }
            }
            beams.texts = kept;
        }
        Ok(())
    }
}

impl Checked for BeamSearch {
    type Error = crate::RlRewardsError;

    fn check(&self) -> Result<()> {
        for (field, value) in [
            ("beams", self.beams),
            ("branches", self.branches),
            ("steps", self.steps),
        ] {
            check(
                field,
                value as f64,
                (1..=MOST).contains(&value),
                "1 to 2^20",
            )?;
        }
        Ok(())
    }
}
