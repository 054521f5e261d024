//! # FineTune
//!
//! Trains on with what is retained, and trusts that the rest fades.
//!
//! Source: the baseline of arXiv 2308.07707: 5 epochs, SGD 0.02, momentum 0.9, weight decay 5e-4.

use burn::tensor::Tensor;

use super::{Method, Order};
use crate::Classifier;
use crate::classifier::mean_loss;

/// The retain set's mean cross-entropy; the forget set is never looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FineTune;

impl<M: Classifier> Method<M> for FineTune {
    fn order(&self, _epoch: usize) -> Order {
        Order::Retain
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch) * 0.0
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch)
    }
}
