//! # Gpg
//!
//! Centred rewards, scaled up by the share of the batch that has any.
//!
//! Source: "GPG: A Simple and Strong Reinforcement Learning Baseline for Model Reasoning", arXiv 2504.02546; the scale as in verl 0.9.1.

use serde::{Deserialize, Serialize};

use super::advantages::{Advantage, Advantages};
use super::groups::Groups;
use super::reinforce::centred;
use crate::error::Result;

/// `A_i = alpha (r_i - mean)`, `alpha` = responses of the batch / responses of a reward that is not 0.
///
/// At least one is counted as not 0. With [`Objective::gpg`](crate::Objective::gpg) the loss of a token is `-A lp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpg;

impl Advantage for Gpg {
    fn advantages(&self, groups: &Groups) -> Result<Advantages> {
        let rewards = groups.rewards();
        let some = rewards.iter().filter(|reward| **reward != 0.0).count();
        let alpha = rewards.len() as f64 / some.max(1) as f64;
        let scaled = |rewards: &[f64]| centred(rewards).iter().map(|a| alpha * a).collect();
        let values = groups.scatter(|rewards, _| scaled(rewards));
        Advantages::of_groups(values, groups)
    }
}
