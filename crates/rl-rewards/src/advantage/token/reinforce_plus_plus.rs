//! # ReinforcePlusPlus
//!
//! Discounted returns of tokens, whitened over the batch; or rewards minus their group's mean, whitened over the batch's tokens.
//!
//! Source: "REINFORCE++: A Simple and Efficient Approach for Aligning Large Language Models", arXiv 2501.03262; as in verl 0.9.1.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::mask::TokenMask;
use super::returns::Returns;
use super::whiten::{weighted_whiten, whiten};
use crate::advantage::advantages::NoSignal;
use crate::advantage::groups::{Groups, check_length};
use crate::advantage::{Advantages, Baseline, Reinforce, advantages::Advantage};
use crate::error::{Result, RlRewardsError, check};

/// `G_t = r_t + gamma G_{t+1}`, whitened over all tokens of the step: no group is needed.
///
/// `gamma` is 1 by default, 0 to 1. A masked token passes the return on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ReinforcePlusPlus {
    gamma: f64,
}
checked_serde!(ReinforcePlusPlus);

impl Default for ReinforcePlusPlus {
    fn default() -> Self {
        Self { gamma: 1.0 }
    }
}

impl ReinforcePlusPlus {
    /// With a discount, 0 to 1.
    ///
    /// # Errors
    /// If `gamma` is out of its range.
    pub fn new(gamma: f64) -> Result<Self> {
        Self { gamma }.checked()
    }

    /// From rewards of `[responses, tokens]`, row by row.
    ///
    /// # Errors
    /// If the size differs from the mask's, or a reward that counts is not finite.
    pub fn advantages(&self, rewards: &[f64], mask: &TokenMask) -> Result<Returns> {
        mask.check("rewards", rewards)?;
        let returns = mask.backwards(0.0, |later, at| {
            *later = rewards[at] + self.gamma * *later;
            *later
        });
        let advantages = Advantages::of_tokens(whiten(&returns, mask)?, mask.tokens())?;
        Ok(Returns {
            advantages,
            returns,
        })
    }

    /// REINFORCE++-baseline: `r - group mean` at every token, whitened over all tokens of the step. One value a response, as all its
    /// tokens have the same.
    ///
    /// Whitening moves groups without a signal off 0 by the mean, which is not 0 where lengths differ. They are counted. verl takes a
    /// group of one at its reward; here it is 0 before whitening.
    ///
    /// # Errors
    /// If there is not a response for each of the mask's, or a reward is too large.
    pub fn with_baseline(groups: &Groups, mask: &TokenMask) -> Result<Advantages> {
        check_length("mask", mask.responses(), groups.responses())?;
        let centred = Reinforce::new(Baseline::GroupMean)?.advantages(groups)?;
        let counts: Vec<f64> = mask.lengths().iter().map(|n| *n as f64).collect();
        let values = weighted_whiten(centred.values(), &counts);
        Advantages::new(values, None, NoSignal::of(groups))
    }
}

impl Checked for ReinforcePlusPlus {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let gamma = self.gamma;
        check("gamma", gamma, (0.0..=1.0).contains(&gamma), "0 to 1")
    }
}
