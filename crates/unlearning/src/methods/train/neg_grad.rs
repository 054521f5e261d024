//! # NegGradPlus
//!
//! A weighted difference of retain and forget loss in every step of a pass over the retain set (NegGrad+).
//!
//! Source: Kurmanji, Triantafillou, Hayes and Triantafillou, "Towards Unbounded Machine Unlearning",
//! NeurIPS 2023, arXiv 2302.09880, section 5, and the code released with it.

use burn::config::Config;
use burn::tensor::Tensor;

use super::{Method, Order};
use crate::Classifier;
use crate::classifier::mean_loss;
use crate::error::{Result, check};

/// Weight of NegGrad+: the loss is `a l_retain - (1 - a) l_forget`.
#[derive(Config, Debug, PartialEq)]
pub struct NegGradPlusConfig {
    /// `a`, in `0..=1`, near 1.
    #[config(default = 0.95)]
    pub a: f64,
}

impl NegGradPlusConfig {
    /// Checks the weight.
    ///
    /// # Errors
    /// If `a` is not in `0..=1`.
    pub fn init(&self) -> Result<NegGradPlus> {
        check("a", self.a, (0.0..=1.0).contains(&self.a), "0 to 1")?;
        Ok(NegGradPlus { a: self.a })
    }
}

/// NegGrad+; it ends with its epochs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NegGradPlus {
    a: f64,
}

impl<M: Classifier> Method<M> for NegGradPlus {
    fn order(&self, _epoch: usize) -> Order {
        Order::PairsByRetain
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch) * (self.a - 1.0)
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch) * self.a
    }
}
