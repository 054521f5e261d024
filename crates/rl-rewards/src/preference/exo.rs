//! # Exo
//!
//! The reverse divergence between the policy's preference and the labels'.
//!
//! Source: "Towards Efficient Exact Optimization of Language Model Alignment" (EXO), arXiv 2402.00856, equation 16.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::dpo::check_beta;
use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError, check};

/// `q_c (log q_c - log(1 - e)) + q_w (log q_w - log e)`, `q_c = sig(beta Delta)`, `q_w = 1 - q_c`.
///
/// `beta` is above 0; the smoothing `e`, 1e-3 in TRL, is above 0 and below 0.5.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Exo {
    beta: f64,
    smoothing: f64,
}
checked_serde!(Exo);

impl Exo {
    /// With a scale and a smoothing.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub fn new(beta: f64, smoothing: f64) -> Result<Self> {
        Self { beta, smoothing }.checked()
    }
}

impl Checked for Exo {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)?;
        let e = self.smoothing;
        check("smoothing", e, e > 0.0 && e < 0.5, "above 0 and below 0.5")
    }
}

impl Preference for Exo {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (c, w) = pairs.scores()?;
        let z = (c.sums() - w.sums()) * self.beta;
        let term = |log_q: Tensor<1>, p: f64| log_q.clone().exp() * (log_q - p.ln());
        let right = term(log_sigmoid(z.clone()), 1.0 - self.smoothing);
        Ok(right + term(log_sigmoid(-z), self.smoothing))
    }
}
