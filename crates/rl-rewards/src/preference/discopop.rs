//! # DiscoPop
//!
//! Between a logistic and an exponential loss, by the margin: a loss that a language model found.
//!
//! Source: "Discovering Preference Optimization Algorithms with and for Large Language Models" (DiscoPOP), arXiv 2406.08414, equation 5.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, sigmoid};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::dpo::check_beta;
use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError, check};

/// `-(1 - m) log sig(z) + m exp(-z)`, `z = beta Delta`, `m = sig(z / tau)`.
///
/// `beta` and `tau`, 0.05 by default, are above 0. The gradient flows through `m` too.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct DiscoPop {
    beta: f64,
    tau: f64,
}
checked_serde!(DiscoPop);

impl DiscoPop {
    /// With the paper's temperature.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn new(beta: f64) -> Result<Self> {
        Self { beta, tau: 0.05 }.checked()
    }

    /// Another temperature, from 1e-6 to 1.
    ///
    /// # Errors
    /// If `tau` is out of its range.
    pub fn with_tau(self, tau: f64) -> Result<Self> {
        Self { tau, ..self }.checked()
    }
}

impl Checked for DiscoPop {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)?;
        check(
            "tau",
            self.tau,
            (1e-6..=1.0).contains(&self.tau),
            "1e-6 to 1",
        )
    }
}

impl Preference for DiscoPop {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (c, w) = pairs.scores()?;
        let z = (c.sums() - w.sums()) * self.beta;
        let logistic = -log_sigmoid(z.clone());
        let by = z.clone() * (1.0 / self.tau);
        // `sig(z / tau) exp(-z)` in one exponent: far below 0 the first is 0 where the second is infinite.
        let exponential = (log_sigmoid(by.clone()) - z).exp();
        Ok(logistic * sigmoid(-by) + exponential)
    }
}
