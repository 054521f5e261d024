//! # Nca
//!
//! The chosen response's own reward, up and not too far up; the rejected one's down.
//!
//! Source: "Noise Contrastive Alignment of Language Models with Explicit Rewards", arXiv 2402.05369.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::dpo::check_beta;
use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError};

/// `-log sig(beta c) - 0.5 log sig(-beta c) - 0.5 log sig(-beta w)`.
///
/// `beta` is above 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Nca {
    beta: f64,
}
checked_serde!(Nca);

impl Nca {
    /// With a scale.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn new(beta: f64) -> Result<Self> {
        Self { beta }.checked()
    }
}

impl Checked for Nca {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)
    }
}

impl Preference for Nca {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (c, w) = pairs.ratios()?;
        let [c, w] = [c, w].map(|scored| scored.sums() * self.beta);
        let both = log_sigmoid(-c.clone()) + log_sigmoid(-w);
        Ok(-log_sigmoid(c) - both * 0.5)
    }
}
