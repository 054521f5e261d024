//! # gradient_ascent
//!
//! Forgets by climbing the loss of the forget set.
//!
//! Source: the negated loss; Thudi, Deza, Chandrasekaran and Papernot 2022 study it. It has no end of
//! its own: bound the loss, or stop early.

use burn::tensor::Tensor;

/// Minus the mean of per-example losses `[batch]`, each counted up to `bound` nats.
///
/// An example whose loss has reached the bound has no gradient any more. `ln(classes)` is the loss
/// of a model that knows nothing.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_unlearning::gradient_ascent;
///
/// let losses = Tensor::<1>::from_data([0.5, 9.0], &Device::flex());
/// assert_eq!(gradient_ascent::loss(losses, 2.5).into_scalar::<f32>(), -1.5);
/// ```
#[must_use]
pub fn loss(per_example: Tensor<1>, bound: f64) -> Tensor<1> {
    -per_example.clamp_max(bound).mean()
}
