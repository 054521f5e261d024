//! # SelfConsistency
//!
//! The answer that most samples come to, or most of their weight.
//!
//! Source: "Self-Consistency Improves Chain of Thought Reasoning in Language Models", arXiv 2203.11171; "Let's Sample Step by Step:
//! Adaptive-Consistency for Efficient Reasoning and Coding with LLMs", arXiv 2305.11860 (stopping); weights as in "Making Large Language Models Better
//! Reasoners with Step-Aware Verifier", arXiv 2206.02336.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;

use super::best_of_n::MOST;
use super::budget::Budget;
use super::drawn::{Drawn, Take};
use super::found::{Answer, Found, Unwatched, Watch};
use super::process_reward::{ProcessReward, scores};
use crate::error::{Result, check};
use crate::policy::{Completion, SamplePolicy};

/// Votes from which on the confidence of a share does not move.
const MANY: f64 = 1e6;

/// What an answer comes to; none where it comes to nothing, and has no vote.
pub type Reading<'a, K> = dyn Fn(&[u32], &Completion) -> Option<K> + 'a;

/// Votes by answer.
///
/// ```
/// use regimen_rl_rewards::search::Votes;
///
/// let mut votes = Votes::default();
/// for (answer, weight) in [("4", 1.0), ("5", 0.4), ("4", 0.2), ("5", 0.9)] {
///     votes.add(answer, weight)?;
/// }
/// assert_eq!(votes.leader().map(|(answer, _)| *answer), Some("5"));
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Votes<K> {
    /// Place in `sums` of each answer.
    places: HashMap<K, usize>,
    sums: Vec<f64>,
    names: Vec<K>,
}

impl<K> Default for Votes<K> {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            sums: Vec::new(),
            names: Vec::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Votes<K> {
    /// Gives an answer a vote of this weight, 1 where votes are counted.
    ///
    /// # Errors
    /// If the weight is not within 0 and 1e100.
    pub fn add(&mut self, answer: K, weight: f64) -> Result<()> {
        let good = (0.0..=1e100).contains(&weight);
        check("weight", weight, good, "0 to 1e100")?;
        let place = *self.places.entry(answer.clone()).or_insert_with(|| {
            self.sums.push(0.0);
            self.names.push(answer);
            self.sums.len() - 1
        });
        self.sums[place] += weight;
        Ok(())
    }

    /// The answer with the most votes, the one that came first of several, and its share of all; none without a vote.
    #[must_use]
    pub fn leader(&self) -> Option<(&K, f64)> {
        let place = self.leading()?;
        let sum: f64 = self.sums.iter().sum();
        let share = if sum > 0.0 {
            self.sums[place] / sum
        } else {
            0.0
        };
        Some((&self.names[place], share))
    }

    /// The votes of each answer, in the order in which the answers came.
    pub fn iter(&self) -> impl Iterator<Item = (&K, f64)> {
        self.names.iter().zip(self.sums.iter().copied())
    }

    /// How sure it is that the leader stays ahead of the second: the probability that its share of the two is above one half, after `a` votes to
    /// `b` under a uniform prior, `1 - I(1/2; a + 1, b + 1)`. One half without a vote.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        let Some(place) = self.leading() else {
            return 0.5;
        };
        let others = self.sums.iter().enumerate().filter(|(at, _)| *at != place);
        let second = others.map(|(_, sum)| *sum).fold(0.0, f64::max);
        // Beyond this only their ratio counts.
        let scale = (MANY / self.sums[place].max(second)).min(1.0);
        1.0 - beta_reg(scale * self.sums[place] + 1.0, scale * second + 1.0, 0.5)
    }

    fn leading(&self) -> Option<usize> {
        let places = 0..self.sums.len();
        places.reduce(|best, one| {
            if self.sums[one] > self.sums[best] {
                one
            } else {
                best
            }
        })
    }
}

/// Samples answers, and takes the one that most of them come to.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `samples` | | 1 to 2^20 |
/// | `at_once` | 8 | 1 to 2^20: answers of a prompt in a round |
/// | `confidence` | none | 0.5 to below 1: the search of a prompt ends once [`Votes::confidence`] is as large |
///
/// The result is an answer of the leading class, with its share of the votes as its score: by counts the first such answer, by weights the one of
/// largest weight. Where no answer comes to anything there is no result.
///
/// ```
/// use regimen_rl_rewards::policy::{Completion, SamplePolicy};
/// use regimen_rl_rewards::search::{Budget, Found, SelfConsistency};
/// use regimen_rl_rewards::Result;
///
/// fn vote(policy: &impl SamplePolicy, prompts: &[Vec<u32>]) -> Result<Vec<Found>> {
///     let last_token = |_: &[u32], one: &Completion| one.content().last().copied();
///     SelfConsistency::new(16)?.run(policy, &last_token, prompts, Budget::calls(16)?, 0)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("majority voting", "maj@k", "weighted voting"))]
pub struct SelfConsistency {
    samples: usize,
    at_once: usize,
    #[serde(default)]
    confidence: Option<f64>,
}
checked_serde!(SelfConsistency);

impl SelfConsistency {
    /// So many answers.
    ///
    /// # Errors
    /// If there is none, or more than 2^20.
    pub fn new(samples: usize) -> Result<Self> {
        Self {
            samples,
            at_once: 8,
            confidence: None,
        }
        .checked()
    }

    /// So many of a prompt in a round: budget and confidence are looked at between rounds.
    ///
    /// # Errors
    /// If there is none, or more than 2^20.
    pub fn with_at_once(self, at_once: usize) -> Result<Self> {
        Self { at_once, ..self }.checked()
    }

    /// Ends the search of a prompt once the leader is as sure.
    ///
    /// # Errors
    /// If it is not 0.5 to below 1.
    pub fn with_confidence(self, confidence: f64) -> Result<Self> {
        let confidence = Some(confidence);
        Self { confidence, ..self }.checked()
    }

    /// Counts what the answers to each prompt come to.
    ///
    /// # Errors
    /// Those of the policy.
    pub fn run<P, K>(
        &self,
        policy: &P,
        reading: &Reading<'_, K>,
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
    ) -> Result<Vec<Found>>
    where
        P: SamplePolicy + ?Sized,
        K: Clone + Eq + Hash,
    {
        let with = (budget, seed);
        self.run_watched(policy, (reading, None), prompts, with, &mut Unwatched)
    }

    /// As [`run`](Self::run), each vote with the weight that a reward gives the answer, 0 to 1e100.
    ///
    /// # Errors
    /// Those of the policy and of the reward, and if a weight is not within 0 and 1e100.
    pub fn run_weighted<P, K>(
        &self,
        policy: &P,
        (reading, reward): (&Reading<'_, K>, &dyn ProcessReward),
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
    ) -> Result<Vec<Found>>
    where
        P: SamplePolicy + ?Sized,
        K: Clone + Eq + Hash,
    {
        let by = (reading, Some(reward));
        self.run_watched(policy, by, prompts, (budget, seed), &mut Unwatched)
    }

    /// As [`run`](Self::run) and [`run_weighted`](Self::run_weighted) with a budget and a seed, told of each round.
    ///
    /// # Errors
    /// As for these.
    pub fn run_watched<P, K>(
        &self,
        policy: &P,
        (reading, reward): (&Reading<'_, K>, Option<&dyn ProcessReward>),
        prompts: &[Vec<u32>],
        (budget, seed): (Budget, u64),
        watch: &mut dyn Watch,
    ) -> Result<Vec<Found>>
    where
        P: SamplePolicy + ?Sized,
        K: Clone + Eq + Hash,
    {
        let drawn = Drawn {
            prompts: prompts.len(),
            samples: self.samples,
            at_once: self.at_once,
            budget,
            seed,
            scored: reward.is_some(),
        };
        let mut ballots = Ballots {
            prompts,
            reading,
            reward,
            confidence: self.confidence,
            all: prompts.iter().map(|_| Ballot::default()).collect(),
        };
        drawn.run(policy, &mut ballots, watch)
    }
}

/// Votes of a prompt, and an answer of each class with its weight.
struct Ballot<K> {
    votes: Votes<K>,
    answers: HashMap<K, (Arc<Completion>, f64)>,
}

impl<K> Default for Ballot<K> {
    fn default() -> Self {
        Self {
            votes: Votes::default(),
            answers: HashMap::new(),
        }
    }
}

struct Ballots<'a, K> {
    prompts: &'a [Vec<u32>],
    reading: &'a Reading<'a, K>,
    reward: Option<&'a dyn ProcessReward>,
    confidence: Option<f64>,
    all: Vec<Ballot<K>>,
}

impl<K: Clone + Eq + Hash> Take for Ballots<'_, K> {
    fn text(&self, at: usize) -> Vec<u32> {
        self.prompts[at].clone()
    }

    fn take(&mut self, at: usize, new: Vec<Arc<Completion>>, found: &mut Found) -> Result<bool> {
        let (prompt, ballot) = (&self.prompts[at], &mut self.all[at]);
        let weights = match self.reward {
            Some(reward) => {
                let texts: Vec<_> = new.iter().map(|one| (prompt.as_slice(), &**one)).collect();
                scores(reward, &texts)?
            }
            None => vec![1.0; new.len()],
        };
        for (completion, weight) in new.into_iter().zip(weights) {
            let Some(answer) = (self.reading)(prompt, &completion) else {
                continue;
            };
            ballot.votes.add(answer.clone(), weight)?;
            let kept = ballot.answers.entry(answer);
            let kept = kept.or_insert_with(|| (Arc::clone(&completion), weight));
            if weight > kept.1 {
                *kept = (completion, weight);
            }
        }
        found.best = ballot.votes.leader().and_then(|(answer, score)| {
            let (completion, _) = ballot.answers.get(answer)?;
            Some(Answer {
                completion: Arc::clone(completion),
                score,
                whole: true,
            })
        });
        let sure = ballot.votes.confidence();
        Ok(self.confidence.is_some_and(|confidence| sure >= confidence))
    }
}

impl Checked for SelfConsistency {
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
        let confidence = self.confidence.unwrap_or(0.5);
        let good = (0.5..1.0).contains(&confidence);
        check("confidence", confidence, good, "0.5 to below 1")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;

    use super::*;

    #[test]
    fn confidence_is_that_of_two_binomial_shares() {
        let mut votes = Votes::default();
        assert_eq!((votes.confidence(), votes.leader()), (0.5, None));
        for (answer, confidence) in [(1, 0.75), (1, 0.875), (2, 0.6875), (1, 0.8125), (3, 0.8125)] {
            votes.add(answer, 1.0).unwrap();
            assert_abs_diff_eq!(votes.confidence(), confidence, epsilon = 1e-9);
        }
        assert_eq!(votes.leader().unwrap(), (&1, 0.6));
        assert_eq!(
            votes.iter().map(|(_, sum)| sum).collect::<Vec<_>>(),
            [3.0, 1.0, 1.0]
        );
        assert!(votes.add(4, -1.0).is_err() && votes.add(4, f64::NAN).is_err());
    }

    /// A vote of weight 0 leads only where there is no other.
    #[test]
    fn weights_of_nothing() {
        let mut votes = Votes::default();
        votes.add("a", 0.0).unwrap();
        assert_eq!(votes.leader(), Some((&"a", 0.0)));
        votes.add("b", 1e-300).unwrap();
        assert_eq!(votes.leader(), Some((&"b", 1.0)));
    }
}
