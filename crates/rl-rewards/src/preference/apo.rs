//! # ApoZero and ApoDown
//!
//! Chosen responses up and rejected ones down, or both down and the rejected ones more.
//!
//! Source: "Anchored Preference Optimization and Contrastive Revisions", arXiv 2408.06266, equations 7 and 8.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::dpo::check_beta;
use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError};

/// `1 - sig(beta c) + sig(beta w)`: for chosen responses that are better than what the policy writes.
///
/// `beta` is above 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ApoZero {
    beta: f64,
}
checked_serde!(ApoZero, ApoDown);

impl ApoZero {
    /// With a scale.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn new(beta: f64) -> Result<Self> {
        Self { beta }.checked()
    }
}

impl Checked for ApoZero {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)
    }
}

impl Preference for ApoZero {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (c, w) = pairs.ratios()?;
        let [c, w] = [c, w].map(|scored| sigmoid(scored.sums() * self.beta));
        Ok(w - c + 1.0)
    }
}

/// `sig(beta c) + 1 - sig(beta Delta)`: for chosen responses that are worse than what the policy writes.
///
/// `beta` is above 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ApoDown {
    beta: f64,
}

impl ApoDown {
    /// With a scale.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn new(beta: f64) -> Result<Self> {
        Self { beta }.checked()
    }
}

impl Checked for ApoDown {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)
    }
}

impl Preference for ApoDown {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (c, w) = pairs.ratios()?;
        let margin = c.sums() - w.sums();
        Ok(sigmoid(c.sums() * self.beta) - sigmoid(margin * self.beta) + 1.0)
    }
}
