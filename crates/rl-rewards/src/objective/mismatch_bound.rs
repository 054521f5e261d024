//! # MismatchBound
//!
//! Tokens or responses left out because the sampler's probabilities are too far from those of the trained model.
//!
//! Source: "When Speed Kills Stability" (rejection by a divergence), 2025; measures as in verl 0.9.1.

use burn::tensor::{Bool, Tensor};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::batch::TokenBatch;
use super::mismatch::{LIMIT, differences};
use crate::error::{Result, RlRewardsError, check};

/// How far the old policy is from the sampler at a token, by `d = lp_old - lp_sampler`. Both are 0 where they agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MismatchMeasure {
    /// `d^2 / 2`.
    K2,
    /// `exp(d) - 1 - d`: over samples, an unbiased estimate of their divergence.
    K3,
}

/// What a bound is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MismatchOver {
    /// Each token for itself.
    Token,
    /// The sum over a response, which is kept or left out as a whole.
    Sum,
    /// Its mean.
    Mean,
    /// Its largest token.
    Max,
}

/// Keeps what is within a bound on the mismatch of old policy and sampler. By the ratio itself, with a bound below and above, it is
/// [`Mismatch`](super::Mismatch) with [`Outside::Reject`](super::Outside::Reject).
///
/// | parameter | range |
/// |---|---|
/// | `measure` | [`MismatchMeasure`] |
/// | `over` | [`MismatchOver`] |
/// | `bound` | 0 or more |
///
/// ```
/// use burn::tensor::{Bool, Device, Tensor};
/// use regimen_rl_rewards::{MismatchBound, MismatchMeasure, MismatchOver, TokenBatch};
///
/// let row = |values: [f32; 2]| Tensor::<2>::from_data([values], &Device::flex());
/// let batch = TokenBatch::new(Tensor::<2, Bool>::from_data([[true, true]], &Device::flex()))?;
/// let bound = MismatchBound::new(MismatchMeasure::K2, MismatchOver::Token, 0.1)?;
/// let kept = bound.kept(row([-1.0, -2.0]), row([-2.0, -2.0]), &batch)?;
/// assert_eq!(kept.clone().try_into_vec_as::<bool>()?, [false, true]);
/// let batch = batch.with_kept(kept)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias = "rollout_rs")]
pub struct MismatchBound {
    measure: MismatchMeasure,
    over: MismatchOver,
    bound: f64,
}
checked_serde!(MismatchBound);

impl Checked for MismatchBound {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("bound", self.bound, self.bound >= 0.0, "0 or more")
    }
}

impl MismatchBound {
    /// Keeps up to a bound.
    ///
    /// # Errors
    /// If the bound is not finite or below 0.
    pub fn new(measure: MismatchMeasure, over: MismatchOver, bound: f64) -> Result<Self> {
        Self {
            measure,
            over,
            bound,
        }
        .checked()
    }

    /// Which tokens are kept, `[rows, tokens]`, from log-probabilities of the old policy and of the sampler, of the same shape, both at the
    /// sampling temperature. Padding is kept. A token whose sampler log-probability is NaN agrees.
    ///
    /// # Errors
    /// If a shape is not the mask's.
    pub fn kept(
        &self,
        old: Tensor<2>,
        sampler: Tensor<2>,
        batch: &TokenBatch,
    ) -> Result<Tensor<2, Bool>> {
        let [rows, tokens] = batch.dims();
        let d = differences(old, sampler, batch)?.clamp(-LIMIT, LIMIT);
        let dtype = d.dtype();
        let far = match self.measure {
            MismatchMeasure::K2 => d.square() * 0.5,
            MismatchMeasure::K3 => d.clone().exp() - 1.0 - d,
        };
        let far = match self.over {
            MismatchOver::Token => far,
            MismatchOver::Sum => far.sum_dim(1),
            MismatchOver::Mean => far.sum_dim(1) / batch.ones(dtype).sum_dim(1).clamp_min(1.0),
            MismatchOver::Max => far.max_dim(1),
        };
        let kept = far.lower_equal_elem(self.bound).expand([rows, tokens]);
        Ok(kept.bool_or(batch.mask().bool_not()))
    }
}
