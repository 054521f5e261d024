//! # alignment_weights
//!
//! Pairs that others have sampled, weighted by how likely the policy is to sample them itself.
//!
//! Source: "WPO: Enhancing RLHF with Weighted Preference Optimization", arXiv 2406.11827, equation 2, with weights aligned by the sum of
//! squares, as in TRL 1.16.0.

use burn::tensor::{Bool, Tensor};

use crate::error::Result;
use crate::objective::tensors::{check_shape, number, wide};

/// The weight of each response, `exp(mean_t (lp_t - log sum_v p_tv^2))`, `[responses]`: about 1 where its tokens are what the policy samples,
/// less where they are not. No gradient flows through it.
///
/// `log_probs` are those of the tokens, `log_squares` the logarithms of the summed squares of the whole distribution at each token
/// (`log_sum_exp(2 log p)`), both `[responses, tokens]`, under the policy that is trained; the mask is of the response's tokens. Multiply the losses
/// of pairs by the weights of both responses.
///
/// ```
/// use burn::tensor::{Bool, Device, Tensor};
/// use regimen_rl_rewards::alignment_weights;
///
/// let device = Device::flex();
/// // Two tokens of a distribution (.5, .25, .25): its squares sum up to .375.
/// let log_probs = Tensor::<2>::from_data([[0.5_f32.ln(), 0.25_f32.ln()]], &device);
/// let log_squares = Tensor::<2>::full([1, 2], 0.375_f32.ln(), &device);
/// let mask = Tensor::<2, Bool>::from_data([[true, true]], &device);
/// let weight = alignment_weights(log_probs, log_squares, mask)?.into_scalar::<f32>();
/// assert!((weight - (0.5_f32 * 0.25).sqrt() / 0.375).abs() < 1e-6);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
///
/// # Errors
/// If the shapes differ.
#[doc(alias("WPO", "use_weighting"))]
pub fn alignment_weights(
    log_probs: Tensor<2>,
    log_squares: Tensor<2>,
    mask: Tensor<2, Bool>,
) -> Result<Tensor<1>> {
    let [rows, tokens] = log_probs.dims();
    check_shape("log_squares", log_squares.dims(), [rows, tokens])?;
    check_shape("mask", mask.dims(), [rows, tokens])?;
    let mask = mask.inner();
    let log_probs = wide(log_probs.inner());
    let dtype = log_probs.dtype();
    let aligned = log_probs - log_squares.inner().cast(dtype);
    let aligned = aligned.mask_fill(mask.clone().bool_not(), 0.0);
    let lengths = number(mask, dtype).sum_dim(1).clamp_min(1.0);
    Ok((aligned.sum_dim(1) / lengths).exp().reshape([rows]))
}
