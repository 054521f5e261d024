//! Routers: which experts a token goes to, and with which weight.

mod expert_choice;
mod gating;
mod hash;
mod noise;
mod noisy;
mod sigmoid;
mod softmax;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, FloatDType, Int, Tensor};

pub use expert_choice::{ExpertChoiceRouter, ExpertChoiceRouterConfig};
pub use gating::{Choices, Gating, NoisyScores};
pub use hash::{HashRouter, HashRouterConfig};
pub use noise::Noise;
pub use noisy::{NoisyRouter, NoisyRouterConfig};
pub use sigmoid::{SigmoidRouter, SigmoidRouterConfig, select as select_sigmoid};
pub use softmax::{SoftmaxRouter, SoftmaxRouterConfig};

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

/// Logits in float32, whatever the layer computes in.
fn logits(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let single = |t: Tensor<2>| match t.dtype() {
        DType::F32 => t,
        _ => t.cast(FloatDType::F32),
    };
    single(x).matmul(single(weight))
}

/// The chosen entries of each row.
fn chosen(scores: &Tensor<2>, choices: &Tensor<2, Int>) -> Tensor<2> {
    scores.clone().gather(1, choices.clone())
}

/// Each row divided by its sum.
fn normalised(rows: Tensor<2>) -> Tensor<2> {
    let sum = rows.clone().sum_dim(1);
    rows / (sum + 1e-20)
}

/// `top_k` within the number of experts.
fn check_top_k(experts: usize, top_k: usize) -> Result<()> {
    crate::error::positive("experts", experts)?;
    if top_k == 0 || top_k > experts {
        let allowed = format!("1 to the number of experts, {experts}");
        return Err(crate::MoeError::range("top_k", top_k, &allowed));
    }
    Ok(())
}
