//! # Ipo
//!
//! A margin that is pulled to a number, from both sides.
//!
//! Source: "A General Theoretical Paradigm to Understand Learning from Human Preferences" (IPO), arXiv 2310.12036, equation 17.

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::dpo::check_beta;
use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError};

/// `(Delta - 1 / (2 beta))^2`.
///
/// `beta` is above 0. Sums are the paper's formula; averages over tokens are what its authors used, and TRL's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Ipo {
    beta: f64,
    #[serde(default)]
    averages: bool,
}
checked_serde!(Ipo);

impl Ipo {
    /// Of sums over tokens.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn of_sums(beta: f64) -> Result<Self> {
        let averages = false;
        Self { beta, averages }.checked()
    }

    /// Of averages over tokens.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn of_averages(beta: f64) -> Result<Self> {
        let averages = true;
        Self { beta, averages }.checked()
    }
}

impl Checked for Ipo {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)
    }
}

impl Preference for Ipo {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (c, w) = pairs.scores()?;
        let margin = if self.averages {
            c.means() - w.means()
        } else {
            c.sums() - w.sums()
        };
        Ok((margin - 0.5 / self.beta).square())
    }
}
