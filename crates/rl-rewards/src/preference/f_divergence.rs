//! # FDivergence
//!
//! What a preference loss holds the policy to its reference by.
//!
//! Source: "Beyond Reverse KL: Generalizing Direct Preference Optimization with Diverse Divergence Constraints", arXiv 2309.16240; forms as
//! in TRL 1.16.0.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check};

/// So near to 1, the `alpha` divergence is the reverse Kullback-Leibler divergence.
const NEAR_ONE: f64 = 1e-6;

/// Exponents are cut here, far from the greatest f32.
const MOST: f64 = 80.0;

/// The score of a response by its log-ratio `u` of policy to reference: `f'(exp u)` of a divergence `f`.
///
/// | divergence | score | |
/// |---|---|---|
/// | `ReverseKl` | `u` | of DPO: seeks modes |
/// | `ForwardKl` | `1 - exp(-u)` | covers what the reference has |
/// | `JensenShannon` | `log 2 + log sig(u)` | between the two |
/// | `Alpha(a)` | `(exp((a - 1) u) - 1) / (a - 1)`, `a` finite, from -100 to 100 | at 0 the forward, at 1 the reverse divergence |
///
/// The score is scaled by the loss's `beta`. What it leaves out cancels in the difference of chosen and rejected, and only there: losses
/// that see the two apart take log-ratios only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[doc(alias("f_divergence_type", "f-DPO"))]
pub enum FDivergence {
    /// The reverse Kullback-Leibler divergence.
    #[default]
    ReverseKl,
    /// The forward Kullback-Leibler divergence.
    ForwardKl,
    /// The Jensen-Shannon divergence.
    JensenShannon,
    /// The alpha divergence.
    Alpha(f64),
}
checked_serde!(FDivergence);

impl Checked for FDivergence {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        match self {
            Self::Alpha(alpha) => {
                let good = (-100.0..=100.0).contains(alpha);
                check("alpha", *alpha, good, "-100 to 100")
            }
            _ => Ok(()),
        }
    }
}

/// `exp(x) - 1`, exact for small ones: `2 exp(x / 2) sinh(x / 2)`.
pub(super) fn exp_m1(values: Tensor<1>) -> Tensor<1> {
    let half = values.clamp(-MOST, MOST) * 0.5;
    half.clone().exp() * half.sinh() * 2.0
}

impl FDivergence {
    /// Scores of log-ratios.
    pub(super) fn scores(self, ratios: Tensor<1>) -> Tensor<1> {
        match self {
            Self::ReverseKl => ratios,
            Self::ForwardKl => -exp_m1(-ratios),
            Self::JensenShannon => log_sigmoid(ratios) + std::f64::consts::LN_2,
            Self::Alpha(alpha) if (alpha - 1.0).abs() < NEAR_ONE => ratios,
            Self::Alpha(alpha) => {
                let power = alpha - 1.0;
                exp_m1(ratios * power) * (1.0 / power)
            }
        }
    }
}
