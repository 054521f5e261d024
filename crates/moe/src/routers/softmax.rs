//! # SoftmaxRouter
//!
//! Softmax over all experts, then the k largest; the gates are those probabilities as they are or divided by their sum.
//!
//! Source: Fedus et al., "Switch Transformers" (arXiv 2101.03961), section 2 (one expert, not renormalised, jitter); Jiang et
//! al., "Mixtral of Experts" (arXiv 2401.04088), section 2.1 (renormalised); the bias of the choice: Wang et al.,
//! "Auxiliary-Loss-Free Load Balancing Strategy for Mixture-of-Experts" (arXiv 2408.15664).

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Device, Tensor};

use super::scores::{
    Ranks, check_bias, check_top_k, check_weight, chosen, logits, normalised, single,
};
use super::top_k::ranked;
use super::{Choices, Gating, Noise};
use crate::Result;
use crate::error::{MoeError, check_width};

/// Configuration of a softmax router.
#[derive(Config, Debug)]
pub struct SoftmaxRouterConfig {
    /// Whether the gates of a token sum to 1. If absent: for more than one expert a token. With one expert a renormalised gate
    /// is 1 whatever the router says, and the router learns nothing from the task.
    pub renormalise: Option<bool>,
    /// Whether the experts are chosen by probability plus a bias, which [`BiasUpdate`](crate::balance::BiasUpdate) moves. The gates
    /// come from the probabilities alone. Where these come near 0 and 1 the bias alone decides the further experts, for all tokens alike: a
    /// sigmoid router balances more steadily.
    #[config(default = false)]
    pub selection_bias: bool,
    /// In training the router's input is multiplied by random numbers from `1 - jitter` to `1 + jitter`.
    #[config(default = 0.0)]
    pub jitter: f64,
    /// Seed of the jitter. Each router adds a number of its own, which it draws from the device's generator when it is made: routers of
    /// one configuration differ, and a run on a seeded device repeats.
    #[config(default = 0)]
    pub seed: u64,
}

/// Softmax, then the k largest.
#[derive(Module, Debug)]
pub struct SoftmaxRouter {
    /// `[d_model, experts]`.
    pub weight: Param<Tensor<2>>,
    /// Added to the probabilities for the choice alone, `[experts]`, if there is one; it takes no gradient.
    pub bias: Option<Param<Tensor<1>>>,
    top_k: usize,
    renormalise: bool,
    jitter: f64,
    noise: Noise,
}

impl SoftmaxRouterConfig {
    /// A router of tokens of width `d_model`.
    ///
    /// # Errors
    /// If `top_k` is not from 1 to `experts`, or `jitter` not in [0, 1).
    pub fn init(
        &self,
        d_model: usize,
        experts: usize,
        top_k: usize,
        device: &Device,
    ) -> Result<SoftmaxRouter> {
        check_top_k(experts, top_k)?;
        check_width(d_model)?;
        if !(0.0..1.0).contains(&self.jitter) {
            return Err(MoeError::range(
                "jitter",
                self.jitter,
                "0 up to, not including, 1",
            ));
        }
        Ok(SoftmaxRouter {
            weight: weight(d_model, experts, device),
            bias: self.selection_bias.then(|| selection_bias(experts, device)),
            top_k,
            renormalise: self.renormalise.unwrap_or(top_k > 1),
            jitter: self.jitter,
            noise: if self.jitter > 0.0 {
                Noise::of_layer(self.seed, device)?
            } else {
                Noise::new(self.seed)
            },
        })
    }
}

/// Zeros in float32 that no gradient reaches.
pub(super) fn selection_bias(experts: usize, device: &Device) -> Param<Tensor<1>> {
    let zeros = Tensor::zeros([experts], (device, DType::F32));
    Param::from_tensor(zeros).set_require_grad(false)
}

/// Uniform as in Burn's linear layer.
pub(super) fn weight(d_model: usize, experts: usize, device: &Device) -> Param<Tensor<2>> {
    let initializer = Initializer::KaimingUniform {
        gain: 1.0 / 3f64.sqrt(),
        fan_out_only: false,
    };
    initializer.init_with([d_model, experts], Some(d_model), Some(experts), device)
}

impl SoftmaxRouter {
    /// Tokens `[tokens, d_model]` to their experts.
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Gating {
        let x = if self.jitter > 0.0 && x.device().is_autodiff() {
            let factors = self.noise.uniform(x.dims(), self.jitter, &x.device());
            single(x) * factors
        } else {
            x
        };
        self.gate(logits(x, self.weight.val()))
    }

    /// Logits `[tokens, experts]` to the tokens' experts.
    ///
    /// Probabilities and biases are compared exactly, however large a bias is; where probabilities are equal because they saturated,
    /// the larger logit comes first.
    ///
    /// # Panics
    /// As Burn's own layers do, if there is not one logit an expert.
    #[must_use]
    pub fn gate(&self, logits: Tensor<2>) -> Gating {
        let logits = single(logits);
        let probabilities = softmax(logits.clone(), 1);
        let choices = match &self.bias {
            Some(bias) => Ranks::biased(&probabilities, bias.val(), &logits).best(self.top_k),
            None => ranked(vec![logits.clone()], self.top_k),
        };
        let kept = chosen(&probabilities, &choices);
        let gates = if self.renormalise {
            normalised(kept)
        } else {
            kept
        };
        Gating {
            logits: Some(logits),
            probabilities,
            choices: Choices::ByToken(choices),
            gates,
            noisy: None,
        }
    }

    /// Whether it fits tokens of this width and so many experts.
    pub(super) fn check(&self, d_model: usize, experts: usize) -> Result<()> {
        check_weight("router weight", &self.weight, [d_model, experts])?;
        if let Some(bias) = &self.bias {
            check_bias(bias, experts)?;
        }
        check_top_k(experts, self.top_k)
    }

    /// The stream of random numbers of the jitter.
    #[must_use]
    pub fn noise(&self) -> &Noise {
        &self.noise
    }
}
