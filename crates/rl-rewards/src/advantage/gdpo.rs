//! # Gdpo
//!
//! Several rewards, each normalised in its group, then summed and whitened over the batch.
//!
//! Source: "GDPO: Group reward-Decoupled Normalization Policy Optimization", arXiv 2601.05242; forms as in TRL 1.16.0 and verl 0.9.1.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::advantages::{Advantage, Advantages, NoSignal};
use super::groups::{Groups, check_finite, check_length};
use super::grpo::{Deviation, Grpo, over};
use super::reinforce::centred;
use super::token::weighted_whiten;
use crate::error::{Result, RlRewardsError, check};

/// `A = whitened(sum_k w_k (r_k - mean_k) / (std_k + epsilon))`: no reward drowns in another of larger spread, and two groups with
/// different rewards do not collapse into one advantage as they do where rewards are summed first.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `weights` | required, one a reward | finite |
/// | `epsilon` | 1e-4 (TRL; verl: 1e-6) | 0 or more |
/// | over tokens | off | |
///
/// Whitened over responses, `(s - mean) / (std + epsilon)` with the unbiased deviation (TRL); over tokens each response counts as often as
/// it has tokens, `(s - mean) / sqrt(var + 1e-8)` (verl). Whitening moves groups without a signal off 0 where the mean is not 0. A group
/// is counted as uniform where all its rewards are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("normalize_then_sum", "gdpo_reward_weights"))]
pub struct Gdpo {
    weights: Vec<f64>,
    epsilon: f64,
    over_tokens: bool,
}
checked_serde!(Gdpo);

impl Gdpo {
    /// With the weight of each reward.
    ///
    /// # Errors
    /// If there is no weight, or one is not finite.
    pub fn new(weights: Vec<f64>) -> Result<Self> {
        Self {
            weights,
            epsilon: 1e-4,
            over_tokens: false,
        }
        .checked()
    }

    /// What is added to deviations, 0 or more.
    ///
    /// # Errors
    /// If `epsilon` is not finite or below 0.
    pub fn with_epsilon(self, epsilon: f64) -> Result<Self> {
        Self { epsilon, ..self }.checked()
    }

    /// Whitens over tokens: needs [`Groups::with_lengths`].
    #[must_use]
    pub fn over_tokens(self) -> Self {
        let over_tokens = true;
        Self {
            over_tokens,
            ..self
        }
    }

    /// One advantage a response. `groups` says which responses belong together; its own rewards are not used. `rewards` holds
    /// each kind of reward, one a response.
    ///
    /// # Errors
    /// If there are not as many kinds as weights or not as many rewards as responses, one is not finite, or lengths are missing.
    pub fn advantages(&self, groups: &Groups, rewards: &[Vec<f64>]) -> Result<Advantages> {
        check_length("rewards", rewards.len(), self.weights.len())?;
        let grpo = Grpo::default().with_epsilon(self.epsilon)?;
        let mut sums = vec![0.0; groups.responses()];
        let mut informative = vec![false; groups.len()];
        for (weight, rewards) in self.weights.iter().zip(rewards) {
            let of = groups.clone().with_rewards(rewards.clone())?;
            let advantages = grpo.advantages(&of)?;
            for (sum, value) in sums.iter_mut().zip(advantages.values()) {
                *sum += weight * value;
            }
            for (some, of) in informative.iter_mut().zip(of.informative()) {
                *some |= of;
            }
        }
        check_finite("rewards", &sums)?;
        let values = if self.over_tokens {
            let lengths: Vec<f64> = groups.lengths()?.iter().map(|n| *n as f64).collect();
            weighted_whiten(&sums, &lengths)
        } else {
            over(
                &centred(&sums),
                Deviation::Unbiased.of(&sums) + self.epsilon,
            )
        };
        Advantages::new(values, None, no_signal(groups, &informative))
    }
}

fn no_signal(groups: &Groups, informative: &[bool]) -> NoSignal {
    let single = (0..groups.len()).filter(|g| groups.members(*g).len() == 1);
    let single = single.count();
    let silent = informative.iter().filter(|some| !**some).count();
    NoSignal {
        groups: groups.len(),
        single,
        uniform: silent - single,
    }
}

impl Checked for Gdpo {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let count = self.weights.len();
        check("weights", count as f64, count > 0, "one or more")?;
        check_finite("weights", &self.weights)?;
        Grpo::default().with_epsilon(self.epsilon).map(drop)
    }
}
