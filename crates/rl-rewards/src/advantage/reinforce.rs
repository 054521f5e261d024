//! # Reinforce
//!
//! Reward minus a baseline.
//!
//! Source: Williams 1992, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning".

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::advantages::{Advantage, Advantages};
use super::groups::{Groups, mean};
use crate::error::{Result, RlRewardsError, check};

/// What is taken off each reward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// A number: 0 is plain REINFORCE; a [`RunningMean`](super::RunningMean) gives one a step.
    Constant(f64),
    /// The mean of the group, 0 in groups of one or of equal rewards.
    GroupMean,
    /// The mean of all responses of the step.
    BatchMean,
    /// What a value function expects: [`Groups::with_values`].
    Value,
}

/// `A_i = r_i - b`.
///
/// With [`Objective::reinforce`](crate::Objective::reinforce) the loss of a token is `-A lp`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Reinforce {
    baseline: Baseline,
}
checked_serde!(Reinforce);

impl Reinforce {
    /// With a baseline.
    ///
    /// # Errors
    /// If a constant is not finite.
    pub fn new(baseline: Baseline) -> Result<Self> {
        Self { baseline }.checked()
    }
}

impl Checked for Reinforce {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        match self.baseline {
            Baseline::Constant(value) => check("baseline", value, true, "finite"),
            _ => Ok(()),
        }
    }
}

impl Advantage for Reinforce {
    fn advantages(&self, groups: &Groups) -> Result<Advantages> {
        let rewards = groups.rewards();
        let off = |baseline: f64| rewards.iter().map(|r| r - baseline).collect();
        let values = match self.baseline {
            Baseline::Constant(baseline) => off(baseline),
            Baseline::BatchMean => off(mean(rewards)),
            Baseline::Value => {
                let values = groups.values()?;
                rewards.iter().zip(values).map(|(r, v)| r - v).collect()
            }
            Baseline::GroupMean => groups.scatter(|rewards, _| centred(rewards)),
        };
        Advantages::of_groups(values, groups)
    }
}

/// Rewards of a group minus their mean.
pub(super) fn centred(rewards: &[f64]) -> Vec<f64> {
    let mean = mean(rewards);
    rewards.iter().map(|reward| reward - mean).collect()
}
