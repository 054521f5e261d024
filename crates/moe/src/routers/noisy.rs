//! # NoisyRouter
//!
//! Normal noise of a learned size is added to the logits before the k largest are kept; the gates are their softmax, or with one expert a token its share
//! of the softmax over all.
//!
//! Source: Shazeer et al., "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer"
//! (arXiv 1701.06538), equations 3 to 5.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::activation::{softmax, softplus};
use burn::tensor::{Device, Tensor};

use super::scores::{check_top_k, check_weight, chosen, logits, single};
use super::top_k::ranked;
use super::{Choices, Gating, Noise, NoisyScores};
use crate::Result;
use crate::error::{check_width, not_negative};

/// Configuration of a noisy router.
#[derive(Config, Debug)]
pub struct NoisyRouterConfig {
    /// Added to the standard deviation of the noise.
    #[config(default = 1e-2)]
    pub epsilon: f64,
    /// Whether the gates of a token are the softmax over its own experts alone, as in the paper; else over all experts. If absent: for
    /// more than one expert a token. With one expert the paper's gate is 1, whatever the router says, and the router learns nothing from
    /// the task.
    pub renormalise: Option<bool>,
    /// Seed of the noise. Each router adds a number of its own, which it draws from the device's generator when it is made: routers of
    /// one configuration differ, and a run on a seeded device repeats.
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
    renormalise: bool,
    epsilon: f64,
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
        check_width(d_model)?;
        not_negative("epsilon", self.epsilon)?;
        let zeros = || Initializer::Zeros.init([d_model, experts], device);
        Ok(NoisyRouter {
            weight: zeros(),
            noise_weight: zeros(),
            top_k,
            renormalise: self.renormalise.unwrap_or(top_k > 1),
            epsilon: self.epsilon,
            noise: Noise::of_layer(self.seed, device)?,
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
    ///
    /// # Panics
    /// As Burn's own layers do, if there is not one logit, one number and one deviation an expert.
    #[must_use]
    pub fn gate(&self, clean: Tensor<2>, noise: Option<(Tensor<2>, Tensor<2>)>) -> Gating {
        let clean = single(clean);
        let noise = noise.map(|(normal, size)| (single(normal), single(size)));
        let scores = noise.as_ref().map(|(normal, size)| NoisyScores {
            clean: clean.clone(),
            noisy: clean.clone() + normal.clone() * size.clone(),
            deviation: size.clone(),
        });
        let compared = scores
            .as_ref()
            .map_or_else(|| clean.clone(), |s| s.noisy.clone());
        let choices = ranked(vec![compared.clone()], self.top_k);
        let probabilities = softmax(compared.clone(), 1);
        let gates = if self.renormalise {
            softmax(chosen(&compared, &choices), 1)
        } else {
            chosen(&probabilities, &choices)
        };
        Gating {
            logits: Some(clean),
            probabilities,
            choices: Choices::ByToken(choices),
            gates,
            noisy: scores,
        }
    }

    /// Whether it fits tokens of this width and so many experts.
    pub(super) fn check(&self, d_model: usize, experts: usize) -> Result<()> {
        check_weight("router weight", &self.weight, [d_model, experts])?;
        check_weight("noise weight", &self.noise_weight, [d_model, experts])?;
        check_top_k(experts, self.top_k)
    }

    /// The stream of random numbers.
    #[must_use]
    pub fn noise(&self) -> &Noise {
        &self.noise
    }
}
