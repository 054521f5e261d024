//! # Sppo
//!
//! Each response's log-ratio is pulled to a number of its own.
//!
//! Source: "Self-Play Preference Optimization for Language Model Alignment", arXiv 2405.00675, with hard labels.

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::dpo::check_beta;
use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError};

/// `(c - 0.5 / beta)^2 + (w + 0.5 / beta)^2`.
///
/// `beta` is above 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Sppo {
    beta: f64,
}
checked_serde!(Sppo);

impl Sppo {
    /// With a scale.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn new(beta: f64) -> Result<Self> {
        Self { beta }.checked()
    }
}

impl Checked for Sppo {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)
    }
}

impl Preference for Sppo {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (c, w) = pairs.ratios()?;
        let pull = 0.5 / self.beta;
        Ok((c.sums() - pull).square() + (w.sums() + pull).square())
    }
}
