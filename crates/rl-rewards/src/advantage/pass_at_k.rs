//! # PassAtK
//!
//! The best response of a group gets how much better it is than the second; all others get nothing.
//!
//! Source: arXiv 2503.19595, as in verl 0.9.1 (`grpo_passk`).

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::advantages::{Advantage, Advantages};
use super::groups::Groups;
use super::grpo::{Deviation, check_epsilon};
use crate::error::{Result, RlRewardsError};

/// `A = r_max - r_second` for the best response, else 0; divided by `std + epsilon` of the group if an epsilon is set.
///
/// Of equal best responses all get 0, as the second is as good. The deviation is the unbiased one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct PassAtK {
    #[serde(default)]
    epsilon: Option<f64>,
}
checked_serde!(PassAtK);

impl PassAtK {
    /// Without a division by the deviation.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Divided by the group's deviation plus `epsilon`, 0 or more (verl: 1e-6).
    ///
    /// # Errors
    /// If `epsilon` is not finite or below 0.
    pub fn with_scale(self, epsilon: f64) -> Result<Self> {
        let epsilon = Some(epsilon);
        Self { epsilon }.checked()
    }
}

impl Checked for PassAtK {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_epsilon(self.epsilon.unwrap_or(0.0))
    }
}

impl Advantage for PassAtK {
    fn advantages(&self, groups: &Groups) -> Result<Advantages> {
        let values = groups.scatter(|rewards, _| {
            let mut order: Vec<usize> = (0..rewards.len()).collect();
            order.sort_by(|a, b| rewards[*b].total_cmp(&rewards[*a]));
            let mut values = vec![0.0; rewards.len()];
            // A group of one never comes here.
            if let [best, second, ..] = order[..] {
                let lead = rewards[best] - rewards[second];
                let scale = self
                    .epsilon
                    .map_or(1.0, |e| Deviation::Unbiased.of(rewards) + e);
                values[best] = lead / scale;
            }
            values
        });
        Advantages::of_groups(values, groups)
    }
}
