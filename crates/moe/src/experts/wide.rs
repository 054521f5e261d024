//! The type in which sums over a token's experts are taken.

use burn::tensor::{DType, FloatDType, Tensor};

/// In float32, or as it is if it is wider.
pub(crate) fn wide<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match tensor.dtype() {
        DType::F16 | DType::BF16 => tensor.cast(FloatDType::F32),
        _ => tensor,
    }
}
