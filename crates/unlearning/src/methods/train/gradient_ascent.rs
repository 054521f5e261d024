//! # GradientAscent
//!
//! Forgets by climbing the loss of the forget set.
//!
//! Source: the negated loss; Thudi, Deza, Chandrasekaran and Papernot 2022 study it. It has no end of
//! its own: bound the loss, or stop early.

use burn::config::Config;
use burn::tensor::Tensor;

use super::{EpochLog, Method, Order};
use crate::classifier::{loss_of, mean_loss};
use crate::error::{Result, check};
use crate::{Classifier, Likelihoods};

/// Minus the mean of per-example losses `[batch]`, each counted up to `bound` nats.
///
/// An example whose loss has reached the bound has no gradient any more. `ln(classes)` is the loss
/// of a model that knows nothing.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_unlearning::methods::train::gradient_ascent;
///
/// let losses = Tensor::<1>::from_data([0.5, 9.0], &Device::flex());
/// assert_eq!(gradient_ascent::loss(losses, 2.5).into_scalar::<f32>(), -1.5);
/// ```
#[must_use]
pub fn loss(per_example: Tensor<1>, bound: f64) -> Tensor<1> {
    -per_example.clamp_max(bound).mean()
}

/// [`loss`] of a batch's examples: of sequences the mean loss of their tokens, each sequence weighing as many tokens as it has.
pub(super) fn bounded(found: &Likelihoods, bound: f64) -> Tensor<1> {
    let tokens = found.tokens();
    let total = tokens.clone().sum().clamp_min(1.0);
    -(found.losses().clamp_max(bound) * tokens).sum() / total
}

/// Where gradient ascent ends.
#[derive(Config, Debug, PartialEq)]
pub struct GradientAscentConfig {
    /// Nats up to which an example's loss counts, above 0. The run stops after an epoch whose mean has reached it.
    pub bound: f64,
}

impl GradientAscentConfig {
    /// Checks the bound.
    ///
    /// # Errors
    /// If `bound` is not finite or not above 0.
    pub fn init(&self) -> Result<GradientAscent> {
        check("bound", self.bound, self.bound > 0.0, "above 0")?;
        Ok(GradientAscent { bound: self.bound })
    }
}

/// Gradient ascent on the forget set alone, bounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientAscent {
    bound: f64,
}

impl<M: Classifier> Method<M> for GradientAscent {
    fn order(&self, _epoch: usize) -> Order {
        Order::Forget
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        loss_of(model, batch, |found| bounded(found, self.bound))
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch)
    }

    fn done(&self, epoch: &EpochLog) -> bool {
        let limit = -self.bound * (1.0 - 1e-5);
        epoch.forget.is_some_and(|loss| loss <= limit)
    }
}
