//! # SimPo
//!
//! A margin between average log-probabilities, without a reference.
//!
//! Source: "SimPO: Simple Preference Optimization with a Reference-Free Reward", arXiv 2405.14734; with a shape, AlphaPO, arXiv 2501.03884.

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::dpo::{check_beta, smoothed};
use super::f_divergence::exp_m1;
use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError, check};

/// `-log sig(beta (r_c - r_w) - gamma)`, `r = avg`, or with a shape `alpha` (AlphaPO) `r = (1 - exp(-alpha avg)) / alpha`.
///
/// | parameter | paper | range |
/// |---|---|---|
/// | `beta` | 2 to 2.5 | above 0 |
/// | `gamma` | 0.3 to 0.8 of `beta` | 0 or more |
/// | `alpha` | 0 | -10 to 10 |
///
/// TRL's `simpo_gamma` is this `gamma`; its CPO trainer adds `cpo_alpha` (1 by default) times the negative log-likelihood besides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct SimPo {
    beta: f64,
    gamma: f64,
    #[serde(default)]
    alpha: f64,
}
checked_serde!(SimPo);

impl SimPo {
    /// With a scale and a margin.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub fn new(beta: f64, gamma: f64) -> Result<Self> {
        let alpha = 0.0;
        Self { beta, gamma, alpha }.checked()
    }

    /// The shape of the reward over the average log-probability: above 0 it falls ever faster for unlikely responses, below 0 ever more slowly.
    ///
    /// # Errors
    /// If `alpha` is not within -10 to 10.
    #[doc(alias = "AlphaPO")]
    pub fn with_alpha(self, alpha: f64) -> Result<Self> {
        Self { alpha, ..self }.checked()
    }

    fn rewards(&self, averages: Tensor<1>) -> Tensor<1> {
        if self.alpha == 0.0 {
            return averages;
        }
        exp_m1(averages * -self.alpha) * (-1.0 / self.alpha)
    }
}

impl Checked for SimPo {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)?;
        check("gamma", self.gamma, self.gamma >= 0.0, "0 or more")?;
        let good = (-10.0..=10.0).contains(&self.alpha);
        check("alpha", self.alpha, good, "-10 to 10")
    }
}

impl Preference for SimPo {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (chosen, rejected) = pairs.policy();
        let margin = self.rewards(chosen.means()) - self.rewards(rejected.means());
        Ok(smoothed(margin * self.beta - self.gamma, 0.0))
    }
}
