//! # gaussian
//!
//! Divergences between Gaussians over weights: with a diagonal, and with a Kronecker-factored precision.
//!
//! Source: variational continual learning (Nguyen et al., arXiv 1710.10628) and natural continual learning (Kao et al., arXiv
//! 2106.08085), as Wang et al. (arXiv 2403.13249) place them.

use burn::tensor::{FloatDType, Tensor};

use crate::{ContinualError, Result};

/// `KL(N(m, s^2) ‖ N(m_0, s_0^2)) = sum_i (log(s_0 / s) + (s^2 + (m - m_0)^2) / (2 s_0^2) - 1/2)`, `[1]`, in f32: differentiable by all.
///
/// Standard deviations are above 0, all of one length.
///
/// # Errors
/// If the lengths differ.
pub fn gaussian_kl(
    mean: Tensor<1>,
    std: Tensor<1>,
    prior_mean: Tensor<1>,
    prior_std: Tensor<1>,
) -> Result<Tensor<1>> {
    let length = mean.dims()[0];
    for (what, other) in [
        ("length of `std`", &std),
        ("length of `prior_mean`", &prior_mean),
        ("length of `prior_std`", &prior_std),
    ] {
        if other.dims()[0] != length {
            return Err(ContinualError::mismatch(what, length, other.dims()[0]));
        }
    }
    let [mean, std, prior_mean, prior_std] =
        [mean, std, prior_mean, prior_std].map(|values| values.cast(FloatDType::F32));
    let logs = prior_std.clone().log() - std.clone().log();
    let squares = std.square() + (mean - prior_mean).square();
    Ok((logs + squares / (prior_std.square() * 2.0) - 0.5).sum())
}

/// `1/2 tr(D^T A D G)`, `[1]`, in f32: the quadratic form of a layer's change `D`, `[in, out]`, with the precision `A (x) G`.
///
/// `A`, `[in, in]`, is that of the layer's inputs and `G`, `[out, out]`, that of its outputs' gradients; both are symmetric and
/// positive semi-definite. A weight of Burn's `Linear` is `[in, out]`.
///
/// # Errors
/// If the shapes do not fit.
pub fn kronecker(change: Tensor<2>, inputs: Tensor<2>, outputs: Tensor<2>) -> Result<Tensor<1>> {
    let [rows, columns] = change.dims();
    for (what, side, factor) in [
        ("factor of inputs", rows, &inputs),
        ("factor of outputs", columns, &outputs),
    ] {
        if factor.dims() != [side, side] {
            let found = format!("{:?}", factor.dims());
            return Err(ContinualError::mismatch(
                what,
                format!("[{side}, {side}]"),
                found,
            ));
        }
    }
    let [change, inputs, outputs] =
        [change, inputs, outputs].map(|values| values.cast(FloatDType::F32));
    let left = inputs.matmul(change.clone());
    Ok((left * change.matmul(outputs)).sum() * 0.5)
}
