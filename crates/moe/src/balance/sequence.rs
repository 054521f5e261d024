//! # Sequence-wise balance loss
//!
//! The load-balancing loss of each sequence by itself, on average over sequences.
//!
//! Source: DeepSeek-AI, "DeepSeek-V3 Technical Report" (arXiv 2412.19437), equations 17 to 20.

use burn::tensor::{DType, Tensor};

use super::assignments;
use crate::Routing;
use crate::routers::single;

/// `mean over sequences of sum_i f_i P_i`, `f_i = E counts_i / (k T)`, `P_i` the mean probability in the sequence; `[1]`.
///
/// Exactly 1 if each sequence uses all experts alike. DeepSeek-V3 uses the coefficient 1e-4. Sequences of padding alone count
/// as none.
#[must_use]
pub fn sequence_balancing_loss(routing: &Routing) -> Tensor<1> {
    let ([batch, seq], experts) = (routing.shape, routing.experts());
    let sums = |rows: Tensor<2>| {
        let sums = rows.reshape([batch, seq, experts]).sum_dim(1);
        sums.squeeze_dim::<2>(1)
    };
    let counts = sums(assignments(routing)).detach();
    let device = counts.device();
    let tokens = match &routing.valid {
        Some(valid) => single(valid.clone()).reshape([batch, seq]).sum_dim(1),
        None => Tensor::full([batch, 1], seq as f64, (&device, DType::F32)),
    };
    let shares = counts.clone() / counts.sum_dim(1).clamp_min(1.0);
    let means = sums(routing.probabilities()) / tokens.clone().clamp_min(1.0);
    let losses = (shares * means).sum() * experts as f64;
    losses / tokens.clamp_max(1.0).sum().clamp_min(1.0)
}
