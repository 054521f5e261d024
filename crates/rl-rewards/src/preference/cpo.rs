//! # Cpo
//!
//! DPO without a reference, with the likelihood of the chosen response.
//!
//! Source: "Contrastive Preference Optimization", arXiv 2401.08417.

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::dpo::{check_beta, check_smoothing, hinge, smoothed};
use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError, check};

/// `-(1 - e) log sig(z) - e log sig(-z) - alpha avg_c`, `z = beta (lp_c - lp_w)` of sums.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `beta` | required; 0.1 | above 0 |
/// | `alpha` | 1 | 0 or more |
/// | smoothing | 0 | 0 to below 0.5 |
/// | hinge, identity | off | `max(0, 1 - z)`, or the square of [`with_identity`](Cpo::with_identity), in place of the logarithms |
///
/// TRL takes the likelihood as a mean over all tokens of the batch, here it is each response's own average.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Cpo {
    beta: f64,
    alpha: f64,
    smoothing: f64,
    #[serde(default)]
    margin: CpoMargin,
}
checked_serde!(Cpo);

/// What becomes of the margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CpoMargin {
    #[default]
    Logistic,
    Hinge,
    Identity,
}

impl Cpo {
    /// With a likelihood term of weight 1.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn new(beta: f64) -> Result<Self> {
        Self {
            beta,
            alpha: 1.0,
            smoothing: 0.0,
            margin: CpoMargin::Logistic,
        }
        .checked()
    }

    /// The weight of the likelihood.
    ///
    /// # Errors
    /// If `alpha` is not finite or below 0.
    pub fn with_alpha(self, alpha: f64) -> Result<Self> {
        Self { alpha, ..self }.checked()
    }

    /// The share of labels that may be wrong.
    ///
    /// # Errors
    /// If it is not within 0 and below 0.5.
    pub fn with_smoothing(self, smoothing: f64) -> Result<Self> {
        Self { smoothing, ..self }.checked()
    }

    /// A hinge in place of the logarithms.
    #[must_use]
    pub fn with_hinge(self) -> Self {
        let margin = CpoMargin::Hinge;
        Self { margin, ..self }
    }

    /// `(Delta - 1 / (2 beta))^2` of the averages' difference `Delta` in place of the logarithms: IPO without a reference.
    #[must_use]
    pub fn with_identity(self) -> Self {
        let margin = CpoMargin::Identity;
        Self { margin, ..self }
    }
}

impl Checked for Cpo {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)?;
        check_smoothing(self.smoothing)?;
        check("alpha", self.alpha, self.alpha >= 0.0, "0 or more")
    }
}

impl Preference for Cpo {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (chosen, rejected) = pairs.policy();
        let z = || (chosen.sums() - rejected.sums()) * self.beta;
        let losses = match self.margin {
            CpoMargin::Logistic => smoothed(z(), self.smoothing),
            CpoMargin::Hinge => hinge(z()),
            CpoMargin::Identity => {
                let margin = chosen.means() - rejected.means();
                (margin - 0.5 / self.beta).square()
            }
        };
        Ok(losses - chosen.means() * self.alpha)
    }
}
