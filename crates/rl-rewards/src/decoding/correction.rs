//! # truncated_ratio
//!
//! The weight of each sampled token in a policy gradient, when the sampler is not the policy that is trained.
//!
//! Source: truncated importance sampling as in arXiv 2510.05251 and its released code.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use regimen_schedules::Schedule;

use crate::error::{Result, RlRewardsError, check};

/// Logits divided by a temperature for each response token: `[batch, tokens, vocabulary]`, token `t` by
/// `temperature.at(t)`.
///
/// The sampler and the correction both divide here. Differentiable.
///
/// # Errors
/// If a temperature is not finite or not above 0.
pub fn temper(logits: Tensor<3>, temperature: &impl Schedule) -> Result<Tensor<3>> {
    let tokens: Vec<usize> = (0..logits.dims()[1]).collect();
    let values = temperatures(temperature, &tokens)?;
    let shape = [1, tokens.len(), 1];
    let values = Tensor::from_data(TensorData::new(values, shape), &logits.device());
    Ok(logits / values)
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
/// This is the policy's side of ratios, new and old. Differentiable.
///
/// # Errors
/// If the shapes differ.
pub fn token_log_probs(logits: Tensor<3>, tokens: Tensor<2, Int>) -> Result<Tensor<2>> {
    check_tokens(&logits, &tokens)?;
    Ok(pick(log_softmax(logits, 2), tokens))
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

pub(super) fn pick(log_probs: Tensor<3>, tokens: Tensor<2, Int>) -> Tensor<2> {
    let [batch, length, _] = log_probs.dims();
    let picked = log_probs.gather(2, tokens.reshape([batch, length, 1]));
    picked.reshape([batch, length])
}

/// `min(exp(log pi_old - log pi_sampler), cap)` for each token, a constant weight: multiply each token's policy loss by it.
///
/// `policy` is the old policy's log-probability at temperature 1 ([`token_log_probs`]), `sampler` the one that the token was
/// really drawn with ([`Sampled::log_probs`](super::Sampled)). Without a `cap` the ratio is whole: unbiased, and of
/// unbounded variance. No gradient flows through it. The paper gives no value for the cap; 2 is usual elsewhere.
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
    let ratio = (policy.detach() - sampler.detach()).exp();
    let Some(cap) = cap else {
        return Ok(ratio);
    };
    check("cap", cap, cap > 0.0, "above 0")?;
    Ok(ratio.clamp_max(cap))
}
