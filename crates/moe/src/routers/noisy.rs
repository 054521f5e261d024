//! # NoisyRouter
//!
//! Normal noise of a learned size is added to the logits before the k largest are kept; the gates are their softmax.
//!
//! Source: Shazeer et al., "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer"
//! (arXiv 1701.06538), equations 3 to 5.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::activation::{softmax, softplus};
use burn::tensor::{Device, Tensor};

use super::scores::{check_top_k, chosen, logits};
use super::{Choices, Gating, Noise, NoisyScores, top_k};
use crate::Result;
use crate::error::not_negative;

/// Configuration of a noisy router.
#[derive(Config, Debug)]
pub struct NoisyRouterConfig {
    /// Added to the standard deviation of the noise.
    #[config(default = 1e-2)]
    pub epsilon: f64,
    /// Seed of the noise.
    #[config(default = 0)]
    pub seed: u64,
}

/// Noise before the k largest are kept. In evaluation, on a device without autodiff, there is no noise.
#[derive(Module, Debug)]
pub struct NoisyRouter {
    /// `[d_model, experts]`, starts at zero.
    pub weight: Param<Tensor<2>>,
    /// Gives the size of the noise, `[d_model, experts]`, starts at zero.
    pub noise_weight: Param<Tensor<2>>,
    top_k: usize,
    epsilon: f64,
    #[module(skip)]
    noise: Noise,
}

impl NoisyRouterConfig {
    /// A router of tokens of width `d_model`.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn init(
        &self,
        d_model: usize,
        experts: usize,
        top_k: usize,
        device: &Device,
    ) -> Result<NoisyRouter> {
        check_top_k(experts, top_k)?;
        not_negative("epsilon", self.epsilon)?;
        let zeros = || Initializer::Zeros.init([d_model, experts], device);
        Ok(NoisyRouter {
            weight: zeros(),
            noise_weight: zeros(),
            top_k,
            epsilon: self.epsilon,
            noise: Noise::new(self.seed),
        })
    }
}

impl NoisyRouter {
    /// Tokens `[tokens, d_model]` to their experts.
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Gating {
        let clean = logits(x.clone(), self.weight.val());
        if !x.device().is_autodiff() {
            return self.gate(clean, None);
        }
        let size = softplus(logits(x, self.noise_weight.val()), 1.0) + self.epsilon;
        let normal = self.noise.normal(clean.dims(), &clean.device());
        self.gate(clean, Some((normal, size)))
    }

    /// Logits `[tokens, experts]`, standard normal noise and its standard deviation, to the tokens' experts.
    #[must_use]
    pub fn gate(&self, clean: Tensor<2>, noise: Option<(Tensor<2>, Tensor<2>)>) -> Gating {
        let scores = noise.as_ref().map(|(normal, size)| NoisyScores {
            clean: clean.clone(),
            noisy: clean.clone() + normal.clone() * size.clone(),
            deviation: size.clone(),
        });
        let compared = scores
            .as_ref()
            .map_or_else(|| clean.clone(), |s| s.noisy.clone());
        let choices = top_k(compared.clone(), self.top_k);
        let gates = softmax(chosen(&compared, &choices), 1);
        Gating {
            logits: Some(clean),
            probabilities: softmax(compared, 1),
            choices: Choices::ByToken(choices),
            gates,
            noisy: scores,
        }
    }

    /// The stream of random numbers.
    #[must_use]
    pub fn noise(&self) -> &Noise {
        &self.noise
    }
}
