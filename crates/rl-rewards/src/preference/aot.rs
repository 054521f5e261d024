//! # Aot
//!
//! DPO on sorted log-ratios: chosen responses as a whole are preferred to rejected ones.
//!
//! Source: "Distributional Preference Alignment of LLMs via Optimal Transport" (AOT), arXiv 2406.05882.

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::dpo::{check_beta, check_smoothing, smoothed};
use super::pairs::{Pairs, Preference, Scored};
use crate::error::{Result, RlRewardsError};

/// `-(1 - e) log sig(beta d) - e log sig(-beta d)` of differences `d` of sorted values over the batch.
///
/// Unpaired: `d = sort(c) - sort(w)`. Paired: `d = sort(lp_c - lp_w) - sort(ref_c - ref_w)`. Losses are in the order of the sorted
/// values. The batch is the distribution: micro-batches are sorted each for itself, and change the loss.
///
/// `beta` is above 0, the smoothing 0 to below 0.5.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Aot {
    beta: f64,
    smoothing: f64,
    paired: bool,
}
checked_serde!(Aot);

impl Aot {
    /// Chosen and rejected sorted apart.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn unpaired(beta: f64) -> Result<Self> {
        let (smoothing, paired) = (0.0, false);
        Self {
            beta,
            smoothing,
            paired,
        }
        .checked()
    }

    /// Margins of the policy and of the reference sorted apart.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn paired(beta: f64) -> Result<Self> {
        let paired = true;
        Ok(Self {
            paired,
            ..Self::unpaired(beta)?
        })
    }

    /// The share of labels that may be wrong.
    ///
    /// # Errors
    /// If it is not within 0 and below 0.5.
    pub fn with_smoothing(self, smoothing: f64) -> Result<Self> {
        Self { smoothing, ..self }.checked()
    }
}

impl Checked for Aot {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)?;
        check_smoothing(self.smoothing)
    }
}

impl Preference for Aot {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (c, w) = pairs.ratios()?;
        let sorted = |values: Tensor<1>| values.sort(0);
        let differences = if self.paired {
            let (chosen, rejected) = pairs.policy();
            let policy = chosen.sums() - rejected.sums();
            // What the policy has and the ratios do not is the reference's: `lp - (lp - ref)`.
            let of = |policy: &Scored, ratio: &Scored| (policy.sums() - ratio.sums()).inner();
            let reference = of(chosen, &c) - of(rejected, &w);
            sorted(policy) - sorted(reference)
        } else {
            sorted(c.sums()) - sorted(w.sums())
        };
        Ok(smoothed(differences * self.beta, self.smoothing))
    }
}
