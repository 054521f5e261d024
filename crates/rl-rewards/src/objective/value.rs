//! # ValueLoss
//!
//! The squared error of a value function, with a clip around what it said before.
//!
//! Source: PPO, arXiv 1707.06347, as in its released code; verl 0.9.1 and TRL 1.16.0.

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::aggregation::Aggregation;
use super::batch::TokenBatch;
use super::tensors::{check_shape, wide};
use crate::error::{Result, RlRewardsError, check};

/// `0.5 aggregate max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2)`.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `clip` | 0.2 | above 0, or none |
/// | `aggregation` | token mean over the step | [`Aggregation`] |
///
/// Multiply it by a coefficient of your own: 0.1 in TRL's PPO.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("vf_loss", "cliprange_value"))]
pub struct ValueLoss {
    #[serde(default)]
    clip: Option<f64>,
    aggregation: Aggregation,
}
checked_serde!(ValueLoss);

impl Default for ValueLoss {
    fn default() -> Self {
        Self {
            clip: Some(0.2),
            aggregation: Aggregation::TokenMean,
        }
    }
}

impl ValueLoss {
    /// With a clip at `clip`, above 0; none without one.
    ///
    /// # Errors
    /// If `clip` is not finite or not above 0.
    pub fn new(clip: Option<f64>) -> Result<Self> {
        Self {
            clip,
            ..Self::default()
        }
        .checked()
    }

    /// Another aggregation than the mean over tokens.
    ///
    /// # Errors
    /// If a number in it is out of its range.
    pub fn with_aggregation(self, aggregation: Aggregation) -> Result<Self> {
        Self {
            aggregation,
            ..self
        }
        .checked()
    }

    /// The loss `[1]` of values, values before the step and returns, all `[rows, tokens]`. Only the mask and the totals of the batch are used.
    ///
    /// # Errors
    /// If a shape is not the mask's.
    pub fn loss(
        &self,
        values: Tensor<2>,
        old: Tensor<2>,
        returns: Tensor<2>,
        batch: &TokenBatch,
    ) -> Result<Tensor<1>> {
        for (field, dims) in [
            ("values", values.dims()),
            ("old", old.dims()),
            ("returns", returns.dims()),
        ] {
            check_shape(field, dims, batch.dims())?;
        }
        let values = wide(values);
        let dtype = values.dtype();
        let values = batch.clean(values, dtype);
        let [old, returns] = [old, returns].map(|part| batch.clean(part.inner(), dtype));
        let plain = (values.clone() - returns.clone()).square();
        let losses = match self.clip {
            Some(clip) => {
                let moved = (values - old.clone()).clamp(-clip, clip) + old;
                let kept = (moved - returns).square();
                let over = kept.clone().inner().greater(plain.clone().inner());
                plain.mask_where(over, kept)
            }
            None => plain,
        };
        Ok(self
            .aggregation
            .of(losses, &batch.ones(dtype), batch.totals)
            / 2.0)
    }
}

impl Checked for ValueLoss {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let clip = self.clip.unwrap_or(1.0);
        check("clip", clip, clip > 0.0, "above 0")?;
        self.aggregation.check()
    }
}
