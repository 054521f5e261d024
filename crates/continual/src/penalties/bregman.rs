//! # bregman
//!
//! Bregman divergences, of which penalties on outputs and on weights are special cases.
//!
//! Source: Wang et al. (arXiv 2403.13249), section 3; Bregman (1967).

use burn::tensor::{FloatDType, Tensor};

use crate::{ContinualError, Result};

/// A convex generator `Phi` with `D(p, q) = Phi(p) - Phi(q) - <grad Phi(q), p - q>`, which is 0 or more, and 0 at `p = q`.
///
/// | generator | `Phi(p)` | `D(p, q)` |
/// |---|---|---|
/// | `NegativeEntropy` | `sum p log p` | `sum (p log(p / q) - p + q)`, for probabilities `KL(p ‖ q)` |
/// | `HalfSquaredNorm` | `1/2 ‖p‖^2` | `1/2 ‖p - q‖^2` |
/// | `DiagonalQuadratic` | `1/2 p^T F p` | `1/2 (p - q)^T F (p - q)` |
///
/// The order of the arguments matters for the entropy.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_continual::penalties::Generator;
///
/// let device = Device::flex();
/// let p = Tensor::<1>::from_data([0.2, 0.3, 0.5], &device);
/// let q = Tensor::<1>::from_data([0.1, 0.6, 0.3], &device);
/// let kl = Generator::NegativeEntropy.divergence(p.clone(), q.clone())?;
/// assert!((kl.into_scalar::<f32>() - 0.186_098_1).abs() < 1e-6);
/// let half = Generator::HalfSquaredNorm.divergence(p, q)?;
/// assert!((half.into_scalar::<f32>() - 0.07).abs() < 1e-6);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a tensor is a handle, and few generators are held at once"
)]
#[non_exhaustive]
pub enum Generator {
    /// `sum p log p`, of values of 0 or more; those of `q` above 0.
    NegativeEntropy,
    /// `1/2 ‖p‖^2`.
    HalfSquaredNorm,
    /// `1/2 p^T F p` with a diagonal `F`, its entries 0 or more.
    DiagonalQuadratic(Tensor<1>),
}

impl Generator {
    /// `D(p, q)` of two vectors of one length, `[1]`, in f32: differentiable by both.
    ///
    /// # Errors
    /// If the lengths differ.
    pub fn divergence(&self, p: Tensor<1>, q: Tensor<1>) -> Result<Tensor<1>> {
        let same = |what: &str, other: &Tensor<1>| match other.dims() == p.dims() {
            true => Ok(()),
            false => Err(ContinualError::mismatch(what, p.dims()[0], other.dims()[0])),
        };
        same("length of `q`", &q)?;
        if let Self::DiagonalQuadratic(weights) = self {
            same("length of `F`", weights)?;
        }
        let (p, q) = (p.cast(FloatDType::F32), q.cast(FloatDType::F32));
        Ok(match self {
            Self::NegativeEntropy => {
                // 0 log 0 is 0.
                let log_p = p.clone().clamp_min(f32::MIN_POSITIVE).log();
                (p.clone() * (log_p - q.clone().log()) - p + q).sum()
            }
            Self::HalfSquaredNorm => (p - q).square().sum() * 0.5,
            Self::DiagonalQuadratic(weights) => {
                let weights = weights.clone().cast(FloatDType::F32);
                ((p - q).square() * weights).sum() * 0.5
            }
        })
    }
}
