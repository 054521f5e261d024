//! # Mismatch
//!
//! Weights and rejections where the sampler's probabilities are not those of the trained model.
//!
//! Source: "Your Efficient RL Framework Secretly Brings You Off-Policy RL Training" (truncated importance sampling) and "When Speed Kills
//! Stability" (masked, sequence level), 2025; modes as in TRL 1.16.0 and verl 0.9.1.

use burn::tensor::{Bool, Tensor};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::batch::TokenBatch;
use super::tensors::{check_shape, wide};
use crate::error::{Result, RlRewardsError, check};

/// Beyond this, the logarithm of a ratio is cut before its exponent is taken.
pub(super) const LIMIT: f64 = 20.0;

/// What a ratio is of: `d_t = lp_old_t - lp_sampler_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MismatchLevel {
    /// `exp(d_t)`: low variance, biased.
    Token,
    /// `exp(sum_t d_t)`: unbiased, its variance grows with the length.
    Sequence,
    /// `exp(mean_t d_t)`: a measure to reject by, not a weight that corrects.
    SequenceMean,
}

/// What becomes of a ratio outside of the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// The bound: truncated importance sampling.
    Truncate,
    /// 0: masked importance sampling.
    Mask,
    /// 0, and every ratio inside counts as 1: rejection without a weight.
    Reject,
}

/// A weight for each token from the ratio of the old policy, re-scored by the trained model, to the sampler.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `level` | required | [`MismatchLevel`] |
/// | `outside` | required | [`Outside`] |
/// | `low`, `high` | none, 2 | 0 or more, `low` up to `high` |
/// | normalised | off | weights over their mean: [`with_normalisation`](Mismatch::with_normalisation) |
///
/// Weights are taken in the logarithm's domain, cut at 20 either way. A token whose sampler log-probability is NaN (an engine gave none)
/// has a ratio of 1. `Sequence` with `Mask` and a bound of 3 is TRL's default. [`truncated_ratio`](crate::truncated_ratio) is `Token` with
/// `Truncate`. verl's rejection by `k1` has its bounds on the inverse ratio.
///
/// ```
/// use burn::tensor::{Bool, Device, Tensor};
/// use regimen_rl_rewards::{Mismatch, MismatchLevel, Outside, TokenBatch};
///
/// let row = |values: [f32; 2]| Tensor::<2>::from_data([values], &Device::flex());
/// let batch = TokenBatch::new(Tensor::<2, Bool>::from_data([[true, true]], &Device::flex()))?;
/// let mismatch = Mismatch::new(MismatchLevel::Token, Outside::Truncate);
/// let correction = mismatch.correct(row([-1.0, -2.0]), row([-2.0, -2.0]), &batch)?;
/// assert_eq!(correction.weights.clone().try_into_vec_as::<f32>()?, [2.0, 1.0]);
/// let batch = batch.with_weights(correction.weights)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("TIS", "rollout_is", "vllm_importance_sampling_mode"))]
pub struct Mismatch {
    level: MismatchLevel,
    outside: Outside,
    #[serde(default)]
    low: Option<f64>,
    #[serde(default)]
    high: Option<f64>,
    #[serde(default)]
    normalised: bool,
}
checked_serde!(Mismatch);

/// Weights of tokens, and which were within the bounds.
#[derive(Clone, Debug)]
pub struct Correction {
    /// `[rows, tokens]`, 1 where the mask is; constants for [`TokenBatch::with_weights`].
    pub weights: Tensor<2>,
    /// Whether the ratio is within the bounds. A rejected token still counts in denominators unless
    /// [`TokenBatch::with_kept`] takes it out.
    pub kept: Tensor<2, Bool>,
}

impl Mismatch {
    /// With an upper bound of 2 and no lower one.
    #[must_use]
    pub fn new(level: MismatchLevel, outside: Outside) -> Self {
        Self {
            level,
            outside,
            low: None,
            high: Some(2.0),
            normalised: false,
        }
    }

    /// Other bounds, or none.
    ///
    /// # Errors
    /// If one is not finite or below 0, or `low` is above `high`.
    pub fn with_bounds(self, low: Option<f64>, high: Option<f64>) -> Result<Self> {
        Self { low, high, ..self }.checked()
    }

    /// Divides the weights by their mean over the batch, at `Token` that over all tokens, else that over the responses. Correct a whole step at once,
    /// since the mean of a micro-batch is another.
    #[must_use]
    #[doc(alias = "rollout_is_batch_normalize")]
    pub fn with_normalisation(self) -> Self {
        let normalised = true;
        Self { normalised, ..self }
    }

    /// From log-probabilities `[rows, tokens]` of the old policy and of the sampler, both at the sampling temperature.
    ///
    /// # Errors
    /// If a shape is not the mask's.
    pub fn correct(
        &self,
        old: Tensor<2>,
        sampler: Tensor<2>,
        batch: &TokenBatch,
    ) -> Result<Correction> {
        let [rows, tokens] = batch.dims();
        let differences = differences(old, sampler, batch)?;
        let dtype = differences.dtype();
        let sum = || differences.clone().sum_dim(1);
        let logs = match self.level {
            MismatchLevel::Token => differences,
            MismatchLevel::Sequence => sum().expand([rows, tokens]),
            MismatchLevel::SequenceMean => {
                let lengths = batch.ones(dtype).sum_dim(1).clamp_min(1.0);
                (sum() / lengths).expand([rows, tokens])
            }
        };
        let ratio = logs.clamp(-LIMIT, LIMIT).exp();
        let (low, high) = (self.low.unwrap_or(0.0), self.high.unwrap_or(f64::INFINITY));
        let out = ratio
            .clone()
            .lower_elem(low)
            .bool_or(ratio.clone().greater_elem(high));
        let weights = match self.outside {
            Outside::Truncate => {
                let ratio = if self.low.is_some() {
                    ratio.clamp_min(low)
                } else {
                    ratio
                };
                if self.high.is_some() {
                    ratio.clamp_max(high)
                } else {
                    ratio
                }
            }
            Outside::Mask => ratio.mask_fill(out.clone(), 0.0),
            Outside::Reject => ratio.ones_like().mask_fill(out.clone(), 0.0),
        };
        let weights = if self.normalised {
            let mean = self.mean(weights.clone(), batch);
            // All weights 0 stay so.
            let is_zero = mean.clone().lower_elem(1e-8);
            weights / mean.mask_fill(is_zero, 1.0).expand([rows, tokens])
        } else {
            weights
        };
        let padding = batch.mask().bool_not();
        Ok(Correction {
            weights: weights.mask_fill(padding, 1.0),
            kept: out.bool_not(),
        })
    }
}

impl Mismatch {
    /// The mean weight of the tokens or of the responses, `[1, 1]`.
    fn mean(&self, weights: Tensor<2>, batch: &TokenBatch) -> Tensor<2> {
        let dtype = weights.dtype();
        let counted = batch.ones(dtype);
        let lengths = counted.clone().sum_dim(1);
        let sums = batch.clean(weights, dtype).sum_dim(1);
        let (sum, count) = match self.level {
            MismatchLevel::Token => (sums.sum_dim(0), lengths.sum_dim(0)),
            MismatchLevel::Sequence | MismatchLevel::SequenceMean => {
                let of_each = sums / lengths.clone().clamp_min(1.0);
                let is_there = lengths.clamp_max(1.0);
                (of_each.sum_dim(0), is_there.sum_dim(0))
            }
        };
        sum / count.clamp_min(1.0)
    }
}

/// `lp_old - lp_sampler` without a gradient, in f32 at least: 0 at padding, and where the sampler's is NaN.
pub(super) fn differences(
    old: Tensor<2>,
    sampler: Tensor<2>,
    batch: &TokenBatch,
) -> Result<Tensor<2>> {
    check_shape("old", old.dims(), batch.dims())?;
    check_shape("sampler", sampler.dims(), batch.dims())?;
    let old = wide(old.inner());
    let dtype = old.dtype();
    let sampler = sampler.inner().cast(dtype);
    let unknown = sampler.clone().is_nan();
    Ok(batch.clean((old - sampler).mask_fill(unknown, 0.0), dtype))
}

impl Checked for Mismatch {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let (low, high) = (self.low.unwrap_or(0.0), self.high.unwrap_or(f64::MAX));
        check(
            "low",
            low,
            low >= 0.0 && low <= high,
            "0 or more, up to `high`",
        )?;
        check("high", high, high >= 0.0, "0 or more")
    }
}
