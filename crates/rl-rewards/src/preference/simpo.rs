//! # SimPo
//!
//! A margin between average log-probabilities, without a reference.
//!
//! Source: "SimPO: Simple Preference Optimization with a Reference-Free Reward", arXiv 2405.14734.

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::dpo::{check_beta, smoothed};
use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError, check};

/// `-log sig(beta (avg_c - avg_w) - gamma)`.
///
/// | parameter | paper | range |
/// |---|---|---|
/// | `beta` | 2 to 2.5 | above 0 |
/// | `gamma` | 0.3 to 0.8 of `beta` | 0 or more |
///
/// TRL's `simpo_gamma` is this `gamma`; its CPO trainer adds `cpo_alpha` (1 by default) times the negative log-likelihood besides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct SimPo {
    beta: f64,
    gamma: f64,
}
checked_serde!(SimPo);

impl SimPo {
    /// With a scale and a margin.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub fn new(beta: f64, gamma: f64) -> Result<Self> {
        Self { beta, gamma }.checked()
    }
}

impl Checked for SimPo {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)?;
        check("gamma", self.gamma, self.gamma >= 0.0, "0 or more")
    }
}

impl Preference for SimPo {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (chosen, rejected) = pairs.policy();
        let margin = chosen.means() - rejected.means();
        Ok(smoothed(margin * self.beta - self.gamma, 0.0))
    }
}
