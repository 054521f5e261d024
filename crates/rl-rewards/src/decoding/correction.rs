//! # truncated_ratio
//!
//! The weight of each sampled token in a policy gradient, when the sampler is not the policy that is trained.
//!
//! Source: truncated importance sampling as in arXiv 2510.05251 and its released code.

use burn::tensor::{Int, Tensor, TensorData};
use regimen_schedules::Schedule;
use regimen_tensor::per_example::at_label;

use super::blocks::{log_probs, wide};
use crate::error::{Result, RlRewardsError, check};

/// Logits divided by a temperature for each response token: `[batch, tokens, vocabulary]`, token `t` by
/// `temperature.at(t)`.
///
/// The result has the logits' type; half precision is divided in f32 and rounded once. Differentiable. The sampler divides the
/// same way and does not round.
///
/// # Errors
/// If the logits are empty, or a temperature is not finite or not above 0.
pub fn temper(logits: Tensor<3>, temperature: &impl Schedule) -> Result<Tensor<3>> {
    let dtype = logits.dtype();
    Ok(tempered(logits, temperature)?.cast(dtype))
}

/// [`temper`] in f32 for half precision.
pub(super) fn tempered(logits: Tensor<3>, temperature: &impl Schedule) -> Result<Tensor<3>> {
    let [batch, length, vocabulary] = logits.dims();
    check_size(batch * length, vocabulary)?;
    let tokens: Vec<usize> = (0..length).collect();
    let values = temperatures(temperature, &tokens)?;
    let logits = wide(logits);
    let values = as_values_of(&logits, values, [1, tokens.len(), 1]);
    Ok(logits / values)
}

/// Numbers as a tensor of another one's device and type.
pub(super) fn as_values_of<const D: usize>(
    like: &Tensor<D>,
    values: Vec<f32>,
    shape: [usize; D],
) -> Tensor<D> {
    let options = (&like.device(), like.dtype());
    Tensor::from_data(TensorData::new(values, shape), options)
}

/// The temperature of each of these tokens.
pub(super) fn temperatures(schedule: &impl Schedule, tokens: &[usize]) -> Result<Vec<f32>> {
    let value = |token: &usize| {
        let value = schedule.at(*token);
        let good = value as f32 > 0.0 && (value as f32).is_finite();
        check("temperature", value, good, "above 0")?;
        Ok(value as f32)
    };
    tokens.iter().map(value).collect()
}

/// The log-probability of each token of some responses at temperature 1: logits `[batch, tokens, vocabulary]`, tokens and
/// result `[batch, tokens]`.
///
/// This is the policy's side of ratios, new and old. Differentiable; in f32 for logits of half precision, whose three digits
/// are too few for a ratio. A token that is no column of the vocabulary, such as the -100 that marks padding, has NaN: mask it with
/// `mask_fill`, since 0 times NaN is NaN.
///
/// # Errors
/// If the shapes differ or the logits are empty.
pub fn token_log_probs(logits: Tensor<3>, tokens: Tensor<2, Int>) -> Result<Tensor<2>> {
    check_tokens(&logits, &tokens)?;
    let [batch, length, vocabulary] = logits.dims();
    check_size(batch * length, vocabulary)?;
    let rows = wide(logits).reshape([batch * length, vocabulary]);
    Ok(pick(
        log_probs(rows).reshape([batch, length, vocabulary]),
        tokens,
    ))
}

/// Refuses logits of no row or no column.
pub(super) fn check_size(rows: usize, vocabulary: usize) -> Result<()> {
    if rows > 0 && vocabulary > 0 {
        return Ok(());
    }
    Err(RlRewardsError::OutOfRange {
        field: "logits",
        value: format!("{rows} rows of {vocabulary}"),
        allowed: "one row or more, of one token or more",
    })
}

/// Refuses tokens of another shape than the logits'.
pub(super) fn check_tokens(logits: &Tensor<3>, tokens: &Tensor<2, Int>) -> Result<()> {
    let [batch, length, _] = logits.dims();
    if tokens.dims() == [batch, length] {
        return Ok(());
    }
    Err(RlRewardsError::OutOfRange {
        field: "tokens",
        value: format!("of shape {:?}", tokens.dims()),
        allowed: "the first two dimensions of the logits",
    })
}

/// The log-probability of each token; NaN for one that is no column, such as the -100 of padding.
pub(super) fn pick(log_probs: Tensor<3>, tokens: Tensor<2, Int>) -> Tensor<2> {
    let [batch, length, vocabulary] = log_probs.dims();
    let rows = batch * length;
    let picked = at_label(
        log_probs.reshape([rows, vocabulary]),
        tokens.reshape([rows]),
    );
    picked.reshape([batch, length])
}

/// `min(exp(log pi_old - log pi_sampler), cap)` for each token, a constant weight: multiply each token's policy loss by it.
///
/// `policy` is the old policy's log-probability at temperature 1 ([`token_log_probs`]), `sampler` the one that the token was
/// really drawn with ([`Sampled::log_probs`](super::Sampled)). Without a `cap` the ratio is whole: unbiased, and of
/// unbounded variance. No gradient flows through it. Half precision is taken as f32; the result has the type of `policy`,
/// whatever that of `sampler`. The paper gives no value for the cap; 2 is usual elsewhere.
///
/// The other way, without a weight, is to evaluate the old policy with the sampler's own temperatures
/// ([`TokenSampler::token_log_probs`](super::TokenSampler::token_log_probs)), so that the ratio of new to old starts at 1.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_rl_rewards::truncated_ratio;
///
/// let row = |values: [f32; 2]| Tensor::<1>::from_data(values, &Device::flex());
/// let weight = truncated_ratio(row([-1.0, -2.0]), row([-2.0, -1.0]), Some(2.0))?;
/// let weight = weight.try_into_vec_as::<f32>()?;
/// assert!(weight[0] == 2.0 && (weight[1] - 0.36787944).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the shapes differ, or the cap is not finite or not above 0.
pub fn truncated_ratio<const D: usize>(
    policy: Tensor<D>,
    sampler: Tensor<D>,
    cap: Option<f64>,
) -> Result<Tensor<D>> {
    if policy.dims() != sampler.dims() {
        return Err(RlRewardsError::OutOfRange {
            field: "sampler",
            value: format!("of shape {:?}", sampler.dims()),
            allowed: "the shape of `policy`",
        });
    }
    if let Some(cap) = cap {
        check("cap", cap, cap > 0.0, "above 0")?;
    }
    let dtype = policy.dtype();
    let policy = wide(policy.detach());
    let sampler = sampler.detach().cast(policy.dtype());
    let ratio = (policy - sampler).exp();
    let ratio = match cap {
        Some(cap) => ratio.clamp_max(cap),
        None => ratio,
    };
    Ok(ratio.cast(dtype))
}
