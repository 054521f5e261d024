//! # Importance
//!
//! The weight between two objectives on one model that slides from the one to the other, and a bridge that blocks gradients.
//!
//! Source: "Bidirectional Representations Augmented Autoregressive Biological Sequence Generation" (CrossNovo), arXiv
//! 2510.08169: importance annealing and cross-decoder gradient blocking.

#[cfg(feature = "burn")]
use burn::tensor::{DType, FloatDType, Int, Tensor};
use serde::{Deserialize, Serialize};

use super::between::Between;
use crate::curve::Curve;
#[cfg(feature = "burn")]
use crate::error::Error;
use crate::error::{Result, check, check_steps};
use crate::schedule::Schedule;

/// `lambda(i) first + (1 - lambda(i)) second`, with any [`Schedule`] as `lambda`.
///
/// In the paper `first` is the loss of the decoder that generates, `second` that of the decoder that sees both directions, and
/// `lambda(i) = i / T`: training starts with the second alone and ends with the first alone.
///
/// It holds no position: `i` is the global step, which the training run saves. Objectives must have one scale, or the
/// middle of the schedule means nothing: divide both by the target's length ([`per_length`]).
///
/// ```
/// use regimen_schedules::Importance;
///
/// let importance = Importance::linear(10)?;
/// assert_eq!(importance.weights(0)?, [0.0, 1.0]);
/// for (step, expected) in [(0, 4.0), (1, 3.8), (5, 3.0), (9, 2.2), (10, 2.0)] {
///     assert!((importance.total(step, 2.0, 4.0)? - expected).abs() < 1e-12);
/// }
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[doc(alias("importance_annealing", "loss_weight", "lambda"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Importance<S> {
    lambda: S,
}

impl Importance<Between> {
    /// The paper's `lambda(i) = i / steps`, and 1 afterwards.
    ///
    /// # Errors
    /// If `steps` is 0.
    pub fn linear(steps: usize) -> Result<Self> {
        check_steps(steps)?;
        Ok(Self::new(Between::new(0.0, 1.0, 0, steps, Curve::Linear)?))
    }
}

impl<S: Schedule> Importance<S> {
    /// Any schedule with values in `0..=1` as the weight of the first objective.
    pub fn new(lambda: S) -> Self {
        Self { lambda }
    }

    /// The weights of the first and the second objective at a step. They sum to 1.
    ///
    /// An objective whose weight is 0 need not be computed. Its parameters get no gradient then: divide by no norm of it.
    ///
    /// # Errors
    /// If the schedule's value is not in `0..=1`.
    pub fn weights(&self, step: usize) -> Result<[f64; 2]> {
        let lambda = self.lambda.at(step);
        check("lambda", lambda, (0.0..=1.0).contains(&lambda), "0 to 1")?;
        Ok([lambda, 1.0 - lambda])
    }

    /// The weighted sum of two losses that are numbers. One of weight 0 counts as 0, even if it is not finite.
    ///
    /// # Errors
    /// If the schedule's value is not in `0..=1`.
    pub fn total(&self, step: usize, first: f64, second: f64) -> Result<f64> {
        let [lambda, rest] = self.weights(step)?;
        let part = |weight: f64, loss: f64| if weight == 0.0 { 0.0 } else { weight * loss };
        Ok(part(lambda, first) + part(rest, second))
    }

    /// The weighted sum of two losses on the device, each `[1]` or both of one shape. Differentiable.
    ///
    /// A loss of weight 0 is left out: it may be infinite, and no gradient reaches its own parameters.
    ///
    /// # Errors
    /// If the schedule's value is not in `0..=1`, or the shapes differ.
    #[cfg(feature = "burn")]
    pub fn combine<const D: usize>(
        &self,
        step: usize,
        first: Tensor<D>,
        second: Tensor<D>,
    ) -> Result<Tensor<D>> {
        check_shape("second", second.dims() == first.dims(), &second.dims())?;
        Ok(match self.weights(step)? {
            [1.0, _] => first,
            [_, 1.0] => second.cast(first.dtype()),
            [lambda, rest] => {
                let second = second.cast(first.dtype());
                first * lambda + second * rest
            }
        })
    }
}

/// The mean over sequences of each one's summed loss divided by its target's length: losses `[batch]`, lengths `[batch]`.
///
/// A decoder's cross-entropy is often a mean over tokens and a CTC loss a sum over the sequence. Divided by the same lengths
/// they have one scale. An empty target counts as one of length 1. Differentiable. Taken in f32 for losses of half precision, whose
/// type the mean has.
///
/// # Errors
/// If the shapes differ or there is no sequence.
#[cfg(feature = "burn")]
pub fn per_length(losses: Tensor<1>, lengths: Tensor<1, Int>) -> Result<Tensor<1>> {
    let good = losses.dims() == lengths.dims() && losses.dims() != [0];
    check_shape("lengths", good, &lengths.dims())?;
    let dtype = losses.dtype();
    // Half precision counts only to 256.
    let wide = match dtype {
        DType::F16 | DType::BF16 => losses.cast(DType::F32),
        _ => losses,
    };
    let lengths = lengths
        .clamp_min(1)
        .cast(FloatDType::F32)
        .cast(wide.dtype());
    Ok((wide / lengths).mean().cast(dtype))
}

/// Whether gradients pass from the decoder that attends into the features that it attends to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bridge {
    /// They stop: `[SG(features); memory]`, the paper's cross-decoder gradient blocking.
    #[default]
    Blocked,
    /// They pass, to compare with.
    Open,
}

impl Bridge {
    /// What a decoder attends to: another decoder's features, then its own memory, along the sequence:
    /// `[batch, n, d]` and `[batch, k, d]` to `[batch, n + k, d]`.
    ///
    /// Features keep the places `0..n` and the memory `n..n + k`: give both one table of positions. Only the value that
    /// enters the memory is cut off the tape, so the other decoder's own loss still trains it. Never bridge the other
    /// way: features of a decoder that is taught with the target contain the target. The result has the memory's type.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use regimen_schedules::values::Bridge;
    ///
    /// let device = Device::flex().autodiff();
    /// let features = Tensor::<3>::ones([1, 2, 4], &device).require_grad();
    /// let memory = Tensor::<3>::ones([1, 3, 4], &device).require_grad();
    /// let joined = Bridge::Blocked.join(features.clone(), memory.clone())?;
    /// assert_eq!(joined.dims(), [1, 5, 4]);
    /// let gradients = joined.sum().backward();
    /// assert!(features.grad(&gradients).is_none() && memory.grad(&gradients).is_some());
    /// # Ok::<(), regimen_schedules::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the batches or the widths differ.
    #[cfg(feature = "burn")]
    pub fn join(self, features: Tensor<3>, memory: Tensor<3>) -> Result<Tensor<3>> {
        let ([batch, _, width], [rows, _, wide]) = (features.dims(), memory.dims());
        check_shape("features", (batch, width) == (rows, wide), &features.dims())?;
        let features = match self {
            Self::Blocked => features.detach(),
            Self::Open => features,
        };
        let features = features.cast(memory.dtype());
        Ok(Tensor::cat(vec![features, memory], 1))
    }
}

#[cfg(feature = "burn")]
fn check_shape(field: &'static str, good: bool, found: &[usize]) -> Result<()> {
    if good {
        return Ok(());
    }
    Err(Error::OutOfRange {
        field,
        value: format!("of shape {found:?}"),
        allowed: "a shape that fits the other input",
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::Constant;
    use crate::{AnySchedule, Table};

    #[test]
    fn lambda_is_the_share_of_the_run() {
        let importance = Importance::linear(10).unwrap();
        for step in 0..=10 {
            let [lambda, rest] = importance.weights(step).unwrap();
            assert!((lambda - step as f64 / 10.0).abs() < 1e-15);
            assert!((lambda + rest - 1.0).abs() < 1e-15);
        }
        assert_eq!(importance.weights(99), Ok([1.0, 0.0]));
    }

    #[test]
    fn a_loss_without_weight_may_be_infinite() {
        let importance = Importance::linear(4).unwrap();
        assert_eq!(importance.total(0, f64::INFINITY, 4.0), Ok(4.0));
        assert_eq!(importance.total(4, 2.0, f64::NAN), Ok(2.0));
        assert!(
            importance
                .total(1, f64::INFINITY, 4.0)
                .unwrap()
                .is_infinite()
        );
    }

    #[test]
    fn bad_weights_are_named() {
        assert!(Importance::linear(0).is_err());
        let above = Importance::new(Constant::new(1.5).unwrap()).weights(0);
        assert!(above.unwrap_err().to_string().contains("`lambda` is 1.5"));
        struct Broken;
        impl Schedule for Broken {
            fn at(&self, _: usize) -> f64 {
                f64::NAN
            }
        }
        assert!(Importance::new(Broken).weights(3).is_err());
    }

    #[test]
    fn a_file_brings_the_same_weights() {
        let lambda = AnySchedule::from(Table::new(vec![0.0, 0.3, 0.9]).unwrap());
        let importance = Importance::new(lambda);
        let text = serde_json::to_string(&importance).unwrap();
        let back: Importance<AnySchedule> = serde_json::from_str(&text).unwrap();
        assert_eq!(back, importance);
        assert!(serde_json::from_str::<Importance<AnySchedule>>(r#"{ "mu": 1 }"#).is_err());
    }

    proptest! {
        #[test]
        fn the_total_moves_by_the_difference(
            steps in 1_usize..500, at in 0.0_f64..1.0, first in -5.0_f64..5.0, second in -5.0_f64..5.0,
        ) {
            let importance = Importance::linear(steps).unwrap();
            let step = (at * steps as f64) as usize;
            let total = |step| importance.total(step, first, second).unwrap();
            let slope = (total(step + 1) - total(step)) * steps as f64;
            prop_assert!((slope - (first - second)).abs() < 1e-8);
            prop_assert!(total(step) >= first.min(second) - 1e-12);
            prop_assert!(total(step) <= first.max(second) + 1e-12);
        }
    }
}
