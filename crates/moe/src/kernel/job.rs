//! What the operation and its parts are given.

use std::sync::Arc;

use burn_flex::FlexTensor;

use crate::Activation;
use crate::dispatch::Plan;

/// What the operation is told beside its tensors.
#[derive(Debug, Clone)]
pub struct Job {
    pub(super) plan: Arc<Plan>,
    pub(super) activation: Activation,
    pub(super) gated: bool,
    pub(super) bias: bool,
}

/// The operation's tensors, contiguous: tokens, gates, first weights and biases, second weights and biases.
pub(super) type Inputs = [FlexTensor; 6];
