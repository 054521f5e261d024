//! # Router z-loss
//!
//! Keeps the router's logits small, which keeps it stable in low precision.
//!
//! Source: Zoph et al., "ST-MoE" (arXiv 2202.08906), equation 5.

use burn::tensor::Tensor;

use crate::Routing;
use crate::routers::single;

/// Mean over tokens of `(log sum_i exp z_i)^2`, `[1]`, of the logits before noise. Usual coefficient: 1e-3.
///
/// At least 0, and 0 exactly where the exponentials of a token's logits sum to 1: for equal logits, at `-ln E`. A hash router,
/// which has no logits, gives 0.
#[must_use]
pub fn z_loss(routing: &Routing) -> Tensor<1> {
    let Some(logits) = &routing.gating.logits else {
        return single(routing.tokens.clone()).zeros_like();
    };
    let logits = single(logits.clone());
    let largest = logits.clone().detach().max_dim(1);
    let sum = (logits.clone() - largest.clone()).exp().sum_dim(1);
    let squares = routing.masked((sum.log() + largest).square());
    squares.sum() / single(routing.tokens.clone()).clamp_min(1.0)
}
