//! A router of any kind.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use super::{
    ExpertChoiceRouter, ExpertChoiceRouterConfig, Gating, HashRouter, HashRouterConfig,
    NoisyRouter, NoisyRouterConfig, SigmoidRouter, SigmoidRouterConfig, SoftmaxRouter,
    SoftmaxRouterConfig,
};
use crate::Result;

/// Which router a mixture has.
#[derive(Config, Debug)]
pub enum RouterConfig {
    /// Softmax, then the k largest.
    Softmax(SoftmaxRouterConfig),
    /// Sigmoid scores, chosen with a bias that balances the load.
    Sigmoid(SigmoidRouterConfig),
    /// Noise before the k largest are chosen.
    Noisy(NoisyRouterConfig),
    /// Experts choose tokens.
    ExpertChoice(ExpertChoiceRouterConfig),
    /// By the token's identity, without learning.
    Hash(HashRouterConfig),
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self::Softmax(SoftmaxRouterConfig::new())
    }
}

/// A router.
#[derive(Module, Debug)]
pub enum Router {
    /// Softmax, then the k largest.
    Softmax(SoftmaxRouter),
    /// Sigmoid scores, chosen with a bias that balances the load.
    Sigmoid(SigmoidRouter),
    /// Noise before the k largest are chosen.
    Noisy(NoisyRouter),
    /// Experts choose tokens.
    ExpertChoice(ExpertChoiceRouter),
    /// By the token's identity, without learning.
    Hash(HashRouter),
}

/// What a router sees.
#[derive(Debug, Clone)]
pub struct RouterInput {
    /// Tokens, `[tokens, d_model]`.
    pub x: Tensor<2>,
    /// 1 for a token, 0 for padding, `[tokens]`; all are tokens if absent.
    pub valid: Option<Tensor<1>>,
    /// The tokens' identities, `[tokens]`, for the hash router.
    pub ids: Tensor<1, Int>,
}

impl RouterConfig {
    /// A router of tokens of width `d_model` to `experts`, `top_k` each.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn init(
        &self,
        d_model: usize,
        experts: usize,
        top_k: usize,
        device: &Device,
    ) -> Result<Router> {
        Ok(match self {
            Self::Softmax(config) => Router::Softmax(config.init(d_model, experts, top_k, device)?),
            Self::Sigmoid(config) => Router::Sigmoid(config.init(d_model, experts, top_k, device)?),
            Self::Noisy(config) => Router::Noisy(config.init(d_model, experts, top_k, device)?),
            Self::ExpertChoice(config) => {
                Router::ExpertChoice(config.init(d_model, experts, device)?)
            }
            Self::Hash(config) => Router::Hash(config.init(experts, top_k, device)?),
        })
    }
}

impl Router {
    /// Chooses experts and their weights.
    #[must_use]
    pub fn forward(&self, input: &RouterInput) -> Gating {
        match self {
            Self::Softmax(router) => router.forward(input.x.clone()),
            Self::Sigmoid(router) => router.forward(input.x.clone()),
            Self::Noisy(router) => router.forward(input.x.clone()),
            Self::ExpertChoice(router) => router.forward(input.x.clone(), input.valid.clone()),
            Self::Hash(router) => router.forward(input.ids.clone()),
        }
    }

    /// Whether it fits tokens of this width and so many experts: its parameters may have been replaced.
    pub(crate) fn check(&self, d_model: usize, experts: usize) -> Result<()> {
        match self {
            Self::Softmax(router) => router.check(d_model, experts),
            Self::Sigmoid(router) => router.check(d_model, experts),
            Self::Noisy(router) => router.check(d_model, experts),
            Self::ExpertChoice(router) => router.check(d_model, experts),
            Self::Hash(router) => router.check(experts),
        }
    }

    /// The matrix whose columns are the experts' embeddings, `[d_model, experts]`; a hash router has none.
    #[must_use]
    pub fn weight(&self) -> Option<Tensor<2>> {
        match self {
            Self::Softmax(router) => Some(router.weight.val()),
            Self::Sigmoid(router) => Some(router.weight.val()),
            Self::Noisy(router) => Some(router.weight.val()),
            Self::ExpertChoice(router) => Some(router.weight.val()),
            Self::Hash(_) => None,
        }
    }
}
