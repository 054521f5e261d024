//! What a step of training looks like, kept on the device until it is read.

use burn::tensor::Tensor;

use crate::error::{Result, RlRewardsError};

/// Sums over tokens of what an objective saw, on the device. Reading them stops it: read once an interval.
#[derive(Clone, Debug)]
pub struct Metrics {
    sums: Tensor<1>,
    most: Tensor<1>,
}

/// The places of [`Metrics::sums`].
pub(super) const PLACES: usize = 10;

/// Means over the tokens that count, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Measured {
    /// The loss as it was aggregated, a sum over micro-batches.
    pub loss: f64,
    /// The part of the policy loss in it.
    pub policy_loss: f64,
    /// Tokens that count.
    pub tokens: f64,
    /// The share of tokens whose ratio an upper limit held.
    pub clipped_above: f64,
    /// The share of tokens whose ratio a lower limit held.
    pub clipped_below: f64,
    /// The mean ratio.
    pub ratio: f64,
    /// The largest ratio; minus infinity without a token.
    pub largest_ratio: f64,
    /// The divergence from the old policy by k1, `mean(lp_old - lp)`: tokens are of the old policy.
    pub old_k1: f64,
    /// The same by k3, `mean(rho - 1 - log rho)`.
    pub old_k3: f64,
    /// The mean of the KL term's values without `beta`; 0 without one.
    pub reference_kl: f64,
    /// The mean entropy; 0 where the batch has none.
    pub entropy: f64,
}

impl Metrics {
    pub(super) fn new(sums: [Tensor<1>; PLACES], most: Tensor<1>) -> Self {
        Self {
            sums: Tensor::cat(sums.to_vec(), 0),
            most,
        }
    }

    /// Those of two micro-batches together.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            sums: self.sums + other.sums,
            most: self.most.max_pair(other.most),
        }
    }

    /// Reads them, in one transfer.
    ///
    /// # Errors
    /// If the loss is not finite, so that it is not trained on unseen, or the device fails.
    pub fn read(&self) -> Result<Measured> {
        let all = Tensor::cat(vec![self.sums.clone(), self.most.clone()], 0);
        let all = all.try_into_vec_as::<f64>();
        let all = all.map_err(|reason| RlRewardsError::Read(reason.to_string()))?;
        let tokens = all[2];
        let mean = |place: usize| all[place] / tokens.max(1.0);
        if !all[0].is_finite() {
            return Err(RlRewardsError::NotFinite { what: "loss" });
        }
        Ok(Measured {
            loss: all[0],
            policy_loss: all[1],
            tokens,
            clipped_above: mean(3),
            clipped_below: mean(4),
            ratio: mean(5),
            old_k1: mean(6),
            old_k3: mean(7),
            reference_kl: mean(8),
            entropy: mean(9),
            largest_ratio: all[PLACES],
        })
    }
}
