//! # BestOfN
//!
//! The best of several answers by a reward.
//!
//! Source: "Training Verifiers to Solve Math Word Problems", arXiv 2110.14168; ended by a threshold, with temperatures by the number of the sample,
//! "Adaptive Inference-Time Compute: LLMs Can Predict if They Can Do Better, Even Mid-Generation", arXiv 2410.02725.

use std::sync::Arc;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::drawn::{Drawn, Take};
use super::found::{Answer, Found, Unwatched, Watch};
use super::process_reward::{ProcessReward, scores};
use super::sample_temperature::{SampleTemperature, TemperedPolicy};
use crate::error::{Result, check};
use crate::policy::{Completion, SamplePolicy};

/// Answers and answers of a round at most.
pub(super) const MOST: usize = 1 << 20;

/// Samples answers, and takes the one with the largest score.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `samples` | | 1 to 2^20 |
/// | `at_once` | 8 | 1 to 2^20: answers of a prompt in a round |
/// | `enough` | none | a score with which the search of a prompt ends |
///
/// The answers of a round follow from the seed, the round and what the policy makes of its prompts: not from the budget, and, with a policy that
/// samples by [`generate`](crate::policy::generate), not from the other prompts.
///
/// ```
/// use regimen_rl_rewards::policy::SamplePolicy;
/// use regimen_rl_rewards::search::{BestOfN, Budget, ProcessReward};
/// use regimen_rl_rewards::Result;
///
/// fn best(policy: &impl SamplePolicy, reward: &impl ProcessReward, prompts: &[Vec<u32>]) -> Result<()> {
///     for found in BestOfN::new(16)?.run(policy, reward, prompts, Budget::tokens(4096)?, 0)? {
///         let tokens = found.best.map(|best| best.completion.content().to_vec());
///         println!("{tokens:?} for {} tokens", found.spent.tokens);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("BoN", "rejection sampling", "rerank"))]
pub struct BestOfN {
    samples: usize,
    at_once: usize,
    #[serde(default)]
    enough: Option<f64>,
}
checked_serde!(BestOfN);

impl BestOfN {
    /// So many answers.
    ///
    /// # Errors
    /// If there is none, or more than 2^20.
    pub fn new(samples: usize) -> Result<Self> {
        Self {
            samples,
            at_once: 8,
            enough: None,
        }
        .checked()
    }

    /// So many of a prompt in a round: a budget is looked at between rounds.
    ///
    /// # Errors
    /// If there is none, or more than 2^20.
    pub fn with_at_once(self, at_once: usize) -> Result<Self> {
        Self { at_once, ..self }.checked()
    }

    /// Ends the search of a prompt once a score is as large, such as that of a verifier.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn with_enough(self, enough: f64) -> Result<Self> {
        let enough = Some(enough);
        Self { enough, ..self }.checked()
    }

    /// Searches answers to each prompt, all prompts together.
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
        P: SamplePolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        self.run_watched(policy, reward, prompts, budget, seed, &mut Unwatched)
    }

    /// As [`run`](Self::run), told of each round.
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
        P: SamplePolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let drawn = self.drawn(prompts, (budget, seed));
        drawn.run(policy, &mut self.best(reward, prompts), watch)
    }

    /// As [`run`](Self::run), where each answer has a temperature of its own: the first is nearly the most probable one, so that it is the safe one
    /// where one is enough. `policy` samples at a temperature; 0 is the most probable completion. Answers of one round share the temperature
    /// of its first: set [`with_at_once`](Self::with_at_once) to 1.
    ///
    /// ```
    /// use regimen_rl_rewards::policy::Rollouts;
    /// use regimen_rl_rewards::search::{BestOfN, Budget, Found, ProcessReward, SampleTemperature};
    /// use regimen_rl_rewards::Result;
    ///
    /// fn adaptive(
    ///     policy: &dyn Fn(f64, &[Vec<u32>], usize, u64) -> Result<Rollouts>,
    ///     self_evaluation: &impl ProcessReward,
    ///     prompts: &[Vec<u32>],
    /// ) -> Result<Vec<Found>> {
    ///     let search = BestOfN::new(16)?.with_at_once(1)?.with_enough(0.95)?;
    ///     search.run_annealed((policy, SampleTemperature::default()), self_evaluation, prompts, Budget::unbounded(), 0)
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_annealed<R>(
        &self,
        (policy, temperature): (&TemperedPolicy<'_>, SampleTemperature),
        reward: &R,
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
    ) -> Result<Vec<Found>>
    where
        R: ProcessReward + ?Sized,
    {
        let drawn = self.drawn(prompts, (budget, seed));
        let sample = |before: usize, prompts: &[Vec<u32>], samples, seed| {
            policy(temperature.at(before + 1), prompts, samples, seed)
        };
        drawn.run_by(&sample, &mut self.best(reward, prompts), &mut Unwatched)
    }

    fn drawn(&self, prompts: &[Vec<u32>], (budget, seed): (Budget, u64)) -> Drawn {
        Drawn {
            prompts: prompts.len(),
            samples: self.samples,
            at_once: self.at_once,
            budget,
            seed,
            scored: true,
        }
    }

    fn best<'a, R: ?Sized>(&self, reward: &'a R, prompts: &'a [Vec<u32>]) -> Best<'a, R> {
        Best {
            prompts,
            reward,
            enough: self.enough,
        }
    }
}

/// Keeps the best answer of each prompt.
struct Best<'a, R: ?Sized> {
    prompts: &'a [Vec<u32>],
    reward: &'a R,
    enough: Option<f64>,
}

impl<R: ProcessReward + ?Sized> Take for Best<'_, R> {
    fn text(&self, at: usize) -> Vec<u32> {
        self.prompts[at].clone()
    }

    fn take(&mut self, at: usize, new: Vec<Arc<Completion>>, found: &mut Found) -> Result<bool> {
        offer_all(self.reward, &self.prompts[at], new, found)?;
        Ok(is_enough(found, self.enough))
    }
}

/// Scores whole answers of a prompt and offers them.
pub(super) fn offer_all<R: ProcessReward + ?Sized>(
    reward: &R,
    prompt: &[u32],
    new: Vec<Arc<Completion>>,
    found: &mut Found,
) -> Result<()> {
    let texts: Vec<_> = new.iter().map(|one| (prompt, &**one)).collect();
    let scores = scores(reward, &texts)?;
    for (completion, score) in new.into_iter().zip(scores) {
        found.offer(Answer {
            completion,
            score,
            whole: true,
        });
    }
    Ok(())
}

/// Whether the best score is as large as it need be.
pub(super) fn is_enough(found: &Found, enough: Option<f64>) -> bool {
    let best = found.best.as_ref().map(|best| best.score);
    best.zip(enough)
        .is_some_and(|(best, enough)| best >= enough)
}

impl Checked for BestOfN {
    type Error = crate::RlRewardsError;

    fn check(&self) -> Result<()> {
        for (field, value) in [("samples", self.samples), ("at_once", self.at_once)] {
            check(
                field,
                value as f64,
                (1..=MOST).contains(&value),
                "1 to 2^20",
            )?;
        }
        check("enough", self.enough.unwrap_or(0.0), true, "finite")
    }
}
