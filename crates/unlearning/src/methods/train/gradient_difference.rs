//! # GradientDifference
//!
//! Climbs the loss of the forget set while it descends that of the retain set (GradDiff).
//!
//! Source: Liu, Liu and Stone, "Continual Learning and Private Unlearning", CoLLAs 2022, as in the
//! open-unlearning suite: weights 1 and 1, optionally the divergence from the original on retained data.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

use super::divergence::between;
use super::gradient_ascent::bounded;
use super::{EpochLog, Method, Order};
use crate::Classifier;
use crate::classifier::{loss_of, mean_loss};
use crate::error::{Result, check};
use crate::gradients::reference;

/// Weights of gradient difference: the loss is `-gamma l_forget + alpha l_retain`.
#[derive(Config, Debug, PartialEq)]
pub struct GradientDifferenceConfig {
    /// Weight of the forget set's loss, 0 or more.
    #[config(default = 1.0)]
    pub gamma: f64,
    /// Weight of the retain set's loss, 0 or more.
    #[config(default = 1.0)]
    pub alpha: f64,
    /// Nats up to which a forget example's loss counts; `ln(classes)` is the loss of a model that knows
    /// nothing. The run stops when the mean loss has reached it.
    #[config(default = "1e3")]
    pub bound: f64,
}

impl GradientDifferenceConfig {
    /// Checks the weights; retained batches count by their cross-entropy.
    ///
    /// # Errors
    /// If a weight is negative or not finite, or `bound` is not above 0.
    pub fn init<M>(&self) -> Result<GradientDifference<M>> {
        check("gamma", self.gamma, self.gamma >= 0.0, "0 or more")?;
        check("alpha", self.alpha, self.alpha >= 0.0, "0 or more")?;
        check("bound", self.bound, self.bound > 0.0, "above 0")?;
        let (config, original) = (self.clone(), None);
        Ok(GradientDifference { config, original })
    }

    /// As [`init`](Self::init), but retained batches count by `KL(original || model)`.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn init_with_original<M: Module>(&self, original: &M) -> Result<GradientDifference<M>> {
        let method = self.init()?;
        let original = Some(reference(original));
        Ok(GradientDifference { original, ..method })
    }
}

/// Gradient difference; each step sees one forget and one retain batch, an epoch is one pass over the forget set.
#[derive(Clone, Debug)]
pub struct GradientDifference<M> {
    config: GradientDifferenceConfig,
    original: Option<M>,
}

impl<M: Classifier> Method<M> for GradientDifference<M> {
    fn order(&self, _epoch: usize) -> Order {
        Order::PairsByForget
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        let bound = self.config.bound;
        loss_of(model, batch, |found| bounded(found, bound)) * self.config.gamma
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        let loss = match &self.original {
            None => mean_loss(model, batch),
            Some(original) => between(model, original, batch, 1.0),
        };
        loss * self.config.alpha
    }

    fn done(&self, epoch: &EpochLog) -> bool {
        let limit = -self.config.gamma * self.config.bound * (1.0 - 1e-5);
        self.config.gamma > 0.0 && epoch.forget.is_some_and(|loss| loss <= limit)
    }
}
