//! # crelu
//!
//! Concatenated ReLU: a unit that is off one way is on the other.
//!
//! Source: Shang et al., "Understanding and Improving Convolutional Neural Networks via Concatenated Rectified Linear Units" (arXiv 1603.05201);
//! against loss of plasticity in Abbas et al. (arXiv 2303.07507).

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use crate::Result;
use crate::error::check;

/// `[relu(x), relu(-x)]` along an axis, which becomes twice as long: halve the layer before it, or widen the next one.
///
/// `relu(x) + relu(-x) = |x|`, so that no unit is ever off for all inputs unless its input is 0.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_continual::plasticity::crelu;
///
/// let x = Tensor::<2>::from_data([[1.0, -2.0, 0.0]], &Device::flex());
/// crelu(x, 1)?.into_data().assert_eq(&[[1.0, 0.0, 0.0, 0.0, 2.0, 0.0]].into(), false);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If the tensor has no such axis.
pub fn crelu<const D: usize>(x: Tensor<D>, axis: usize) -> Result<Tensor<D>> {
    check("axis", axis as f64, axis < D, "an axis of the tensor")?;
    Ok(Tensor::cat(vec![relu(x.clone()), relu(-x)], axis))
}
