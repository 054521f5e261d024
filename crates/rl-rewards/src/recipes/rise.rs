//! # Rise
//!
//! Teaches a policy to improve its own answers over turns: at the states that it came into it is given better answers, its own best ones or
//! a stronger policy's, and trained on these with weights by reward.
//!
//! Source: RISE in "Recursive Introspection: Teaching Language Model Agents How to Self-Improve", arXiv 2407.18219; weights, criteria and
//! duplicates as in its released code

use burn::tensor::{Device, Tensor};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::episode::Episode;
use super::turns::{MOST, of_each};
use crate::advantage::Advantages;
use crate::error::{Result, RlRewardsError, check};
use crate::objective::{Aggregation, Metrics, Objective, TokenBatch};
use crate::policy::{Completion, Rollout, Rollouts, SamplePolicy, ScorePolicy, Sequences};

/// Which examples are trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// All of them.
    #[default]
    All,
    /// First answers, and those with a higher reward than the last answer before them.
    Better,
    /// First answers, and those with a reward as high as any answer before them.
    Best,
    /// Those with a reward of 1 or more.
    Success,
}

/// An answer to learn at a state: the answers within the state are context and have no loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The tokens before the answer.
    pub state: Vec<u32>,
    /// The answer.
    pub answer: Completion,
    /// Its reward.
    pub reward: f64,
    /// The rewards of the answers before it, in order; none for a first answer.
    pub before: Vec<f64>,
    /// Whether the answer is one of those before it.
    pub is_repeat: bool,
}

/// Examples of episodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Improved {
    /// Those that are kept, in the order of the episodes.
    pub examples: Vec<Example>,
    /// Tokens that were sampled for them, beyond the episodes' own.
    pub sampled: usize,
    /// Answers that were sampled for them and given a reward.
    pub answers: usize,
}

/// Reward-weighted regression on improved answers: `-mean_i exp(r_i / tau) mean_t log pi(y_it | s_i)`.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `tau` | 0.4 | above 0; it divides the reward and is no sampling temperature |
/// | `samples` | 16 | answers of which the best one is taken at a state, 1 to 65,536 |
/// | `criterion` | [`Criterion::All`] | |
/// | duplicates | removed | answers that are one of those before them in the episode |
/// | `normalised` | off | divides by the sum of the weights instead of their number: the scale does not change with the share of right answers |
///
/// One iteration: [`MultiTurn::episodes`](super::MultiTurn::episodes) of the policy, [`improve`](Self::improve), and updates by
/// [`loss`](Self::loss) on batches of the examples; then again, with the new policy. The improvement has to be of the policy's own episodes.
/// Rewards of the best of many show the labels: prompts of a test have to be held out.
///
/// ```
/// use regimen_rl_rewards::recipes::Rise;
///
/// let rise = Rise::new();
/// let weights = rise.weights(&[-1.0, 0.0, 1.0])?;
/// let rounded = weights.values().iter().map(|weight| (weight * 1e4).round() / 1e4);
/// assert_eq!(rounded.collect::<Vec<_>>(), [0.0821, 1.0, 12.1825]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("recursive introspection", "reward-weighted regression"))]
pub struct Rise {
    tau: f64,
    samples: usize,
    criterion: Criterion,
    duplicates: bool,
    normalised: bool,
}
checked_serde!(Rise);

impl Default for Rise {
    fn default() -> Self {
        Self::new()
    }
}

impl Rise {
    /// With the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tau: 0.4,
            samples: 16,
            criterion: Criterion::All,
            duplicates: false,
            normalised: false,
        }
    }

    /// What rewards are divided by.
    ///
    /// # Errors
    /// If it is not above 0 and finite.
    pub fn with_tau(self, tau: f64) -> Result<Self> {
        Self { tau, ..self }.checked()
    }

    /// Of how many answers the best one is taken; 1 with a stronger policy, whose answer is taken as it is.
    ///
    /// # Errors
    /// If there are not 1 to 65,536.
    pub fn with_samples(self, samples: usize) -> Result<Self> {
        Self { samples, ..self }.checked()
    }

    /// Which examples are kept.
    #[must_use]
    pub fn with_criterion(self, criterion: Criterion) -> Self {
        Self { criterion, ..self }
    }

    /// Keeps duplicates.
    #[must_use]
    pub fn with_duplicates(self) -> Self {
        Self {
            duplicates: true,
            ..self
        }
    }

    /// Divides by the sum of a batch's weights.
    #[must_use]
    pub fn with_normalised_weights(self) -> Self {
        Self {
            normalised: true,
            ..self
        }
    }

    /// Examples of episodes: the first answer as it was, and at each state after it the best of the policy's answers, the first of equals.
    ///
    /// `policy` is the one of the episodes, or a stronger one to learn from. `reward` is given the place of the episode's prompt and the answer.
    ///
    /// # Errors
    /// If a reward is not finite, and the errors of the policy.
    pub fn improve<P: SamplePolicy + ?Sized>(
        &self,
        policy: &P,
        episodes: &[Episode],
        seed: u64,
        mut reward: impl FnMut(usize, &Completion) -> f64,
    ) -> Result<Improved> {
        let later = episodes
            .iter()
            .flat_map(|episode| episode.turns.iter().skip(1));
        let states: Vec<Vec<u32>> = later.map(|turn| turn.state.clone()).collect();
        let drawn = of_each(policy, &states, self.samples, seed)?;
        let all = drawn.iter().flatten();
        let mut improved = Improved {
            examples: Vec::new(),
            sampled: all.map(Completion::count_sampled).sum(),
            answers: drawn.iter().map(Vec::len).sum(),
        };
        let mut groups = drawn.into_iter();
        for episode in episodes {
            for (place, turn) in episode.turns.iter().enumerate() {
                let (answer, reward) = if place == 0 {
                    (turn.answer.clone(), turn.reward)
                } else {
                    let group = groups.next().unwrap_or_default();
                    let rewards = group.iter().map(|one| reward(episode.prompt, one));
                    best(&group, rewards.collect())?
                };
                check("reward", reward, true, "finite")?;
                let before = episode.turns.iter().take(place);
                improved.examples.push(Example {
                    state: turn.state.clone(),
                    is_repeat: episode.has(&answer, place),
                    answer,
                    reward,
                    before: before.map(|turn| turn.reward).collect(),
                });
            }
        }
        improved.examples = self.keep(improved.examples);
        Ok(improved)
    }

    /// The examples that the criterion keeps, without duplicates.
    #[must_use]
    pub fn keep(&self, examples: Vec<Example>) -> Vec<Example> {
        let meets = |example: &Example| {
            let Example { reward, before, .. } = example;
            let meets = match self.criterion {
                Criterion::All => true,
                Criterion::Better => before.last().is_none_or(|last| reward > last),
                Criterion::Best => before.iter().all(|one| reward >= one),
                Criterion::Success => *reward >= 1.0,
            };
            meets && (self.duplicates || !example.is_repeat)
        };
        examples.into_iter().filter(meets).collect()
    }

    /// The weights of examples with these rewards, `exp(r / tau)`; normalised, they have a mean of 1.
    ///
    /// # Errors
    /// If there is none, a reward is not finite, or a weight is no number in f32.
    pub fn weights(&self, rewards: &[f64]) -> Result<Advantages> {
        check(
            "rewards",
            rewards.len() as f64,
            !rewards.is_empty(),
            "1 or more",
        )?;
        for reward in rewards {
            check("reward", *reward, true, "finite")?;
        }
        let most = rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shift = if self.normalised { most } else { 0.0 };
        let weights = rewards
            .iter()
            .map(|r| (r / self.tau - shift / self.tau).exp());
        let mut weights: Vec<f64> = weights.collect();
        if self.normalised {
            let mean = weights.iter().sum::<f64>() / weights.len() as f64;
            weights.iter_mut().for_each(|weight| *weight /= mean);
        }
        for weight in &weights {
            let good = *weight <= f64::from(f32::MAX);
            check("reward / tau", *weight, good, "of an exponent within f32")?;
        }
        Advantages::of_responses(weights)
    }

    /// The loss of a batch of examples on a device, differentiable, and what was seen of it: `fill` is any token, that stands where a row has
    /// none. [`Metrics::read`] refuses a loss that is not finite.
    ///
    /// # Errors
    /// If there is no example, none has a token, a weight is no number in f32, and the errors of the policy.
    pub fn loss<P: ScorePolicy + ?Sized>(
        &self,
        policy: &P,
        examples: &[Example],
        fill: u32,
        device: &Device,
    ) -> Result<(Tensor<1>, Metrics)> {
        let rewards: Vec<f64> = examples.iter().map(|one| one.reward).collect();
        let weights = self.weights(&rewards)?;
        let prompts = examples.iter().map(|one| one.state.clone());
        let rollouts = examples.iter().enumerate();
        let rollouts = rollouts.map(|(prompt, one)| Rollout {
            prompt,
            completion: one.answer.clone(),
        });
        let rollouts = Rollouts::new(prompts.collect(), rollouts.collect())?;
        let sequences = Sequences::new(&rollouts, fill, device)?;
        let batch = TokenBatch::of_sequences(&sequences)?;
        let objective =
            Objective::reinforce().with_aggregation(Aggregation::SequenceMeanTokenMean)?;
        let log_probs = policy.log_probs(&sequences)?;
        objective.loss(log_probs, &batch, &weights)
    }
}

impl Checked for Rise {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("tau", self.tau, self.tau > 0.0, "above 0")?;
        let good = (1..=MOST).contains(&self.samples);
        check("samples", self.samples as f64, good, "1 to 65,536")
    }
}

/// The first of the answers with the highest reward.
fn best(group: &[Completion], rewards: Vec<f64>) -> Result<(Completion, f64)> {
    for reward in &rewards {
        check("reward", *reward, true, "finite")?;
    }
    let most = rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut pairs = group.iter().zip(rewards);
    let found = pairs.find(|(_, reward)| *reward >= most);
    match found {
        Some((answer, reward)) => Ok((answer.clone(), reward)),
        // No group is empty: `samples` checks its length, which is 1 or more.
        None => Err(RlRewardsError::OutOfRange {
            field: "samples",
            value: "0".into(),
            allowed: "1 or more",
        }),
    }
}
