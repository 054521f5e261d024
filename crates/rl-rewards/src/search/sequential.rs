//! # Sequential
//!
//! Attempts one after another, each of which reads those before it.
//!
//! Source: "Scaling LLM Test-Time Compute Optimally can be More Effective than Scaling Model Parameters", arXiv 2408.03314, section 6
//! (sequential revisions); "To Backtrack or Not to Backtrack: When Sequential Search Limits Model Reasoning", arXiv 2504.07052.

use std::sync::Arc;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::best_of_n::{MOST, is_enough, offer_all};
use super::budget::Budget;
use super::drawn::{Drawn, Take};
use super::found::{Found, Unwatched, Watch};
use super::process_reward::ProcessReward;
use crate::error::{Result, check};
use crate::policy::{Completion, SamplePolicy};

/// What an attempt comes after: a prompt and the attempts before it.
pub type Joined<'a> = dyn Fn(&[u32], &[Arc<Completion>]) -> Vec<u32> + 'a;

/// Attempts in a row: the sequential way to spend what [`BestOfN`](super::BestOfN) spends in parallel.
///
/// With one attempt it is a policy that searches within its own answer, such as one that was taught traces with backtracking.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `attempts` | | 1 to 2^20 |
/// | `enough` | none | a score with which the search of a prompt ends |
///
/// The result is the attempt with the largest score, the first of several.
///
/// ```
/// use std::sync::Arc;
/// use regimen_rl_rewards::policy::{Completion, SamplePolicy};
/// use regimen_rl_rewards::search::{Budget, Found, ProcessReward, Sequential};
/// use regimen_rl_rewards::Result;
///
/// fn revise(policy: &impl SamplePolicy, reward: &impl ProcessReward, prompts: &[Vec<u32>]) -> Result<Vec<Found>> {
///     // The last attempt alone, after a separator.
///     let joined = |prompt: &[u32], before: &[Arc<Completion>]| match before.last() {
///         Some(last) => [prompt, &[9], last.content(), &[9]].concat(),
///         None => prompt.to_vec(),
///     };
///     Sequential::new(4)?.with_enough(1.0)?.run(policy, reward, &joined, prompts, Budget::tokens(4096)?, 0)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("revision", "self-correction"))]
pub struct Sequential {
    attempts: usize,
    #[serde(default)]
    enough: Option<f64>,
}
checked_serde!(Sequential);

impl Sequential {
    /// So many attempts.
    ///
    /// # Errors
    /// If there is none, or more than 2^20.
    pub fn new(attempts: usize) -> Result<Self> {
        let enough = None;
        Self { attempts, enough }.checked()
    }

    /// Ends the search of a prompt once a score is as large, such as that of a verifier.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn with_enough(self, enough: f64) -> Result<Self> {
        let enough = Some(enough);
        Self { enough, ..self }.checked()
    }

    /// Searches answers to each prompt, all prompts together; `joined` makes what an attempt reads.
    ///
    /// # Errors
    /// Those of the policy and of the reward, and if a score is not finite.
    pub fn run<P, R>(
        &self,
        policy: &P,
        reward: &R,
        joined: &Joined<'_>,
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
    ) -> Result<Vec<Found>>
    where
        P: SamplePolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let with = (budget, seed);
        self.run_watched(policy, reward, joined, prompts, with, &mut Unwatched)
    }

    /// As [`run`](Self::run) with a budget and a seed, told of each attempt.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_watched<P, R>(
        &self,
        policy: &P,
        reward: &R,
        joined: &Joined<'_>,
        prompts: &[Vec<u32>],
        (budget, seed): (Budget, u64),
        watch: &mut dyn Watch,
    ) -> Result<Vec<Found>>
    where
        P: SamplePolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let drawn = Drawn {
            prompts: prompts.len(),
            samples: self.attempts,
            at_once: 1,
            budget,
            seed,
            scored: true,
        };
        let mut row = Row {
            prompts,
            reward,
            joined,
            enough: self.enough,
            attempts: vec![Vec::new(); prompts.len()],
        };
        drawn.run(policy, &mut row, watch)
    }
}

/// The attempts of each prompt.
struct Row<'a, R: ?Sized> {
    prompts: &'a [Vec<u32>],
    reward: &'a R,
    joined: &'a Joined<'a>,
    enough: Option<f64>,
    attempts: Vec<Vec<Arc<Completion>>>,
}

impl<R: ProcessReward + ?Sized> Take for Row<'_, R> {
    fn text(&self, at: usize) -> Vec<u32> {
        (self.joined)(&self.prompts[at], &self.attempts[at])
    }

    fn take(&mut self, at: usize, new: Vec<Arc<Completion>>, found: &mut Found) -> Result<bool> {
        self.attempts[at].extend(new.iter().cloned());
        offer_all(self.reward, &self.prompts[at], new, found)?;
        Ok(is_enough(found, self.enough))
    }
}

impl Checked for Sequential {
    type Error = crate::RlRewardsError;

    fn check(&self) -> Result<()> {
        let attempts = self.attempts;
        let good = (1..=MOST).contains(&attempts);
        check("attempts", attempts as f64, good, "1 to 2^20")?;
        check("enough", self.enough.unwrap_or(0.0), true, "finite")
    }
}
