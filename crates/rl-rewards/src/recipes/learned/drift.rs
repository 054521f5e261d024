//! # Drift
//!
//! A policy objective with a learned penalty of the step: LPO, and TA-LPO, which knows how much of training is left.
//!
//! Source: LPO in "Discovered Policy Optimisation", arXiv 2210.05639; TA-LPO in "Discovering Temporally-Aware Reinforcement Learning
//! Algorithms", arXiv 2402.05828, equation 12.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::lifetime::Lifetime;
use crate::advantage::Advantages;
use crate::error::{Result, RlRewardsError, check};
use crate::objective::tensors::{advantages_like, check_shape, wide};
use crate::objective::{Aggregation, TokenBatch};

/// What the network says has to be above this to count.
const OFFSET: f64 = 1e-4;

/// A drift network without biases, so that it is 0, and its gradient too, where the policy has not moved.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `hidden` | 128 | tanh units |
/// | `lifetime` | false | TA-LPO: the inputs again, times `n / N` |
/// | `ppo` | false | starts out from PPO's clip: `relu(relu((rho - clip(rho, .8, 1.2)) A) + out - 1e-4)` |
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_rl_rewards::recipes::learned::{DriftConfig, Lifetime};
/// use regimen_rl_rewards::{Advantages, Aggregation, TokenBatch, TokenMask};
///
/// let device = Device::flex().autodiff();
/// let drift = DriftConfig::new().with_lifetime(true).init(&device)?;
/// let old = Tensor::<2>::from_data([[-1.0, -0.5]], &device);
/// let batch = TokenBatch::of_mask(&TokenMask::of_lengths(&[2], 2)?, &device).with_old(old.clone())?;
/// let advantages = Advantages::of_responses(vec![1.0])?;
/// let life = Some(Lifetime::new(10, 100)?);
/// let loss = drift.loss(old, &batch, &advantages, life, Aggregation::TokenMean)?;
/// assert_eq!(loss.into_scalar::<f32>(), -1.0); // ratio 1, drift 0
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Config, Debug)]
pub struct DriftConfig {
    /// Units of the hidden layer.
    #[config(default = 128)]
    pub hidden: usize,
    /// Whether it reads the lifetime.
    #[config(default = false)]
    pub lifetime: bool,
    /// Whether it is added to PPO's.
    #[config(default = false)]
    pub ppo: bool,
}

/// A learned drift. See [`DriftConfig`].
#[derive(Module, Debug)]
#[doc(alias("LPO", "TA-LPO"))]
pub struct Drift {
    /// `[8 or 16, hidden]`, no bias.
    pub hidden: Linear,
    /// `[hidden, 1]`, no bias.
    pub output: Linear,
    lifetime: bool,
    ppo: bool,
}

impl DriftConfig {
    /// Draws the weights from the device's generator.
    ///
    /// # Errors
    /// If `hidden` is not 1 to 2^20.
    pub fn init(&self, device: &Device) -> Result<Drift> {
        let good = (1..=1 << 20).contains(&self.hidden);
        check("hidden", self.hidden as f64, good, "1 to 2^20")?;
        let inputs = if self.lifetime { 16 } else { 8 };
        let linear = |inputs, outputs| {
            let config = LinearConfig::new(inputs, outputs).with_bias(false);
            config.init(device)
        };
        Ok(Drift {
            hidden: linear(inputs, self.hidden),
            output: linear(self.hidden, 1),
            lifetime: self.lifetime,
            ppo: self.ppo,
        })
    }
}

impl Drift {
    /// `-aggregate(rho A - drift)`: the loss `[1]` that the agent descends.
    ///
    /// The advantages are normalised over the batch in the papers. Without an `old` the ratio is 1.
    ///
    /// # Errors
    /// If shapes differ, or a lifetime is given where the network takes none, or missing where it takes one.
    pub fn loss(
        &self,
        log_probs: Tensor<2>,
        batch: &TokenBatch,
        advantages: &Advantages,
        life: Option<Lifetime>,
        aggregation: Aggregation,
    ) -> Result<Tensor<1>> {
        check_shape("log_probs", log_probs.dims(), batch.dims())?;
        let log_probs = wide(log_probs);
        let dtype = log_probs.dtype();
        let log_probs = batch.clean(log_probs, dtype);
        let old = match &batch.old {
            Some(old) => Tensor::from_inner(batch.clean(old.clone(), dtype)),
            None => log_probs.clone().detach(),
        };
        let plain = log_probs.clone().inner();
        let advantages = advantages_like(advantages, &plain)?.expand(plain.dims());
        let advantages = Tensor::from_inner(batch.clean(advantages, dtype));
        let log_ratio = log_probs - old;
        let drift = self.forward(log_ratio.clone(), advantages.clone(), life)?;
        let gain = log_ratio.exp() * advantages - drift;
        let mask = batch.ones(dtype);
        Ok(aggregation.of(
            gain.neg() * Tensor::from_inner(mask.clone()),
            &mask,
            batch.totals,
        ))
    }

    /// The drift of each sample, `[rows, tokens]`, 0 or more, from `ln(pi_new / pi_old)` and advantages.
    ///
    /// # Errors
    /// If shapes differ, or a lifetime is given where the network takes none, or missing where it takes one.
    pub fn forward(
        &self,
        log_ratio: Tensor<2>,
        advantages: Tensor<2>,
        life: Option<Lifetime>,
    ) -> Result<Tensor<2>> {
        check_shape("advantages", advantages.dims(), log_ratio.dims())?;
        if life.is_some() != self.lifetime {
            return Err(RlRewardsError::OutOfRange {
                field: "life",
                value: if life.is_some() { "given" } else { "missing" }.to_owned(),
                allowed: "given where the network reads the lifetime, and only there",
            });
        }
        let inputs = Self::inputs(log_ratio.clone(), advantages.clone(), life);
        let [rows, tokens, width] = inputs.dims();
        let weight = self.hidden.weight.val().dtype();
        let hidden = inputs.reshape([rows * tokens, width]).cast(weight);
        let out = self.output.forward(self.hidden.forward(hidden).tanh());
        let out = out.reshape([rows, tokens]).cast(log_ratio.dtype());
        let base = if self.ppo {
            let ratio = log_ratio.exp();
            relu((ratio.clone() - ratio.clamp(0.8, 1.2)) * advantages) + out
        } else {
            out
        };
        Ok(relu(base - OFFSET))
    }

    /// What the network reads: `[u, u^2, v, v^2, A u, A u^2, A v, A v^2]` with `u = ln rho` and `v = 1 - rho`, and with a lifetime these again
    /// times `n / N`; `[rows, tokens, 8 or 16]`, all 0 where `rho` is 1. The logarithm of the horizon is no input: what is not multiplied by
    /// the ratio would not be 0 there.
    #[must_use]
    pub fn inputs(
        log_ratio: Tensor<2>,
        advantages: Tensor<2>,
        life: Option<Lifetime>,
    ) -> Tensor<3> {
        let u = log_ratio;
        let v = u.clone().exp().neg() + 1.0;
        let plain = [u.clone(), u.square(), v.clone(), v.square()];
        let with = plain.clone().map(|input| input * advantages.clone());
        let inputs = plain.into_iter().chain(with);
        let inputs: Tensor<3> = Tensor::stack(inputs.collect(), 2);
        match life {
            Some(life) => Tensor::cat(vec![inputs.clone(), inputs * life.fraction()], 2),
            None => inputs,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::module::Param;

    use super::*;
    use crate::advantage::TokenMask;

    fn one(value: f64, device: &Device) -> Tensor<2> {
        Tensor::full([1, 1], value, device)
    }

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    #[test]
    fn inputs_at_a_ratio() {
        let device = Device::flex();
        let life = Some(Lifetime::new(25, 100).unwrap());
        let found = numbers(Drift::inputs(
            one(1.2_f64.ln(), &device),
            one(-0.5, &device),
            life,
        ));
        let expected = [
            0.182_322, 0.033_241, -0.2, 0.04, -0.091_161, -0.016_621, 0.1, -0.02, 0.045_580,
            0.008_310, -0.05, 0.01, -0.022_790, -0.004_155, 0.025, -0.005,
        ];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 2e-6, "{found} {expected}");
        }
        let plain = Drift::inputs(one(1.2_f64.ln(), &device), one(-0.5, &device), None);
        assert_eq!(plain.dims(), [1, 1, 8]);
        let still = Drift::inputs(one(0.0, &device), one(-0.5, &device), life);
        assert!(numbers(still).iter().all(|input| *input == 0.0));
    }

    /// A network of zeros leaves PPO's part, less the offset.
    #[test]
    fn starts_out_from_ppo() {
        let device = Device::flex();
        let mut drift = DriftConfig::new().with_ppo(true).init(&device).unwrap();
        drift.output.weight = Param::from_tensor(Tensor::zeros([128, 1], &device));
        let of = |ratio: f64, a| {
            let drift = drift.forward(one(ratio.ln(), &device), one(a, &device), None);
            numbers(drift.unwrap())[0]
        };
        assert!((of(1.5, 1.0) - 0.3 + 1e-4).abs() < 1e-6);
        assert_eq!((of(1.2, -0.5), of(0.5, 1.0), of(1.1, 1.0)), (0.0, 0.0, 0.0));
        assert!((of(0.5, -1.0) - 0.3 + 1e-4).abs() < 1e-6);
    }

    /// Ratio 1: loss `-A`, and the gradient in the log-probability `-A`, whatever the weights.
    #[test]
    fn no_drift_and_no_gradient_where_the_policy_has_not_moved() {
        let device = Device::flex().autodiff();
        for (lifetime, ppo) in [(false, false), (true, false), (false, true), (true, true)] {
            let config = DriftConfig::new().with_lifetime(lifetime).with_ppo(ppo);
            let drift = config.init(&device).unwrap();
            let life = lifetime.then(|| Lifetime::new(3, 10).unwrap());
            let old = one(-0.7, &device);
            let mask = TokenMask::of_lengths(&[1], 1).unwrap();
            let batch = TokenBatch::of_mask(&mask, &device).with_old(old).unwrap();
            for a in [-1.5, 2.0] {
                let log_probs = one(-0.7, &device).require_grad();
                let advantages = Advantages::of_responses(vec![a]).unwrap();
                let mean = Aggregation::TokenMean;
                let loss = drift
                    .loss(log_probs.clone(), &batch, &advantages, life, mean)
                    .unwrap();
                let grads = loss.clone().backward();
                let gradient = numbers(log_probs.grad(&grads).unwrap())[0];
                assert!((numbers(loss)[0] + a as f32).abs() < 1e-6);
                assert!((gradient + a as f32).abs() < 1e-6);
            }
        }
    }

    /// At `n = 0` the second half of the inputs is 0: TA-LPO is LPO there.
    #[test]
    fn at_the_start_of_life_it_is_lpo() {
        let device = Device::flex();
        let timed = DriftConfig::new()
            .with_lifetime(true)
            .init(&device)
            .unwrap();
        let mut plain = DriftConfig::new().init(&device).unwrap();
        let weight = timed.hidden.weight.val().slice([0..8, 0..128]);
        plain.hidden.weight = Param::from_tensor(weight);
        plain.output = timed.output.clone();
        let u = Tensor::<2>::from_data([[0.4, -0.6, 1.0]], &device);
        let a = Tensor::<2>::from_data([[1.0, -2.0, 0.5]], &device);
        let start = Some(Lifetime::new(0, 50).unwrap());
        let found = numbers(timed.forward(u.clone(), a.clone(), start).unwrap());
        assert_eq!(
            found,
            numbers(plain.forward(u.clone(), a.clone(), None).unwrap())
        );
        assert!(plain.forward(u.clone(), a.clone(), start).is_err());
        assert!(timed.forward(u, a, None).is_err());
    }
}
