//! # SigmoidRouter
//!
//! Sigmoid scores; the experts are chosen by score plus a bias that evens out the load, the gates come from the scores alone.
//!
//! Source: DeepSeek-AI, "DeepSeek-V3 Technical Report" (arXiv 2412.19437), equations 12 to 16 and node-limited routing; Wang
//! et al., "Auxiliary-Loss-Free Load Balancing Strategy for Mixture-of-Experts" (arXiv 2408.15664).

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor};

use super::scores::{check_top_k, chosen, logits, normalised};
use super::softmax::{selection_bias, weight};
use super::{Choices, Gating, top_k};
use crate::Result;
use crate::error::{MoeError, above_zero};

/// Configuration of a sigmoid router.
#[derive(Config, Debug)]
pub struct SigmoidRouterConfig {
    /// The gates are multiplied by this after they were divided by their sum (2.5 in DeepSeek-V3).
    #[config(default = 1.0)]
    pub scale: f64,
    /// Groups of neighbouring experts; must divide the experts. 1 for no groups.
    #[config(default = 1)]
    pub groups: usize,
    /// How many groups a token's experts may come from: those with the largest sum of their two best biased scores.
    #[config(default = 1)]
    pub kept_groups: usize,
}

/// Sigmoid scores, chosen with a bias.
#[derive(Module, Debug)]
pub struct SigmoidRouter {
    /// `[d_model, experts]`.
    pub weight: Param<Tensor<2>>,
    /// Added to the scores for the choice alone, `[experts]`; it takes no gradient: see
    /// [`BiasUpdate`](crate::balance::BiasUpdate).
    pub bias: Param<Tensor<1>>,
    top_k: usize,
    scale: f64,
    groups: usize,
    kept_groups: usize,
}

impl SigmoidRouterConfig {
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
    ) -> Result<SigmoidRouter> {
        check_top_k(experts, top_k)?;
        above_zero("scale", self.scale)?;
        if self.groups == 0 || !experts.is_multiple_of(self.groups) {
            let allowed = format!("a divisor of the number of experts, {experts}");
            return Err(MoeError::range("groups", self.groups, &allowed));
        }
        let within = self.kept_groups * (experts / self.groups);
        if self.kept_groups == 0 || self.kept_groups > self.groups || within < top_k {
            let allowed = format!(
                "1 to {} groups that hold at least {top_k} experts",
                self.groups
            );
            return Err(MoeError::range("kept_groups", self.kept_groups, &allowed));
        }
        Ok(SigmoidRouter {
            weight: weight(d_model, experts, device),
            bias: selection_bias(experts, device),
            top_k,
            scale: self.scale,
            groups: self.groups,
            kept_groups: self.kept_groups,
        })
    }
}

impl SigmoidRouter {
    /// Tokens `[tokens, d_model]` to their experts.
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Gating {
        self.gate(logits(x, self.weight.val()))
    }

    /// Logits `[tokens, experts]` to the tokens' experts.
    #[must_use]
    pub fn gate(&self, logits: Tensor<2>) -> Gating {
        let scores = sigmoid(logits.clone());
        let biased = scores.clone().detach() + self.bias.val().detach().unsqueeze();
        let choices = select(biased, self.top_k, self.groups, self.kept_groups);
        let gates = normalised(chosen(&scores, &choices)) * self.scale;
        Gating {
            logits: Some(logits),
            probabilities: normalised(scores),
            choices: Choices::ByToken(choices),
            gates,
            noisy: None,
        }
    }
}

/// The `top_k` experts of each token by biased scores `[tokens, experts]`, out of the `kept` best of `groups`.
#[must_use]
pub fn select(biased: Tensor<2>, k: usize, groups: usize, kept: usize) -> Tensor<2, Int> {
    if kept == groups {
        return top_k(biased, k);
    }
    let [tokens, experts] = biased.dims();
    let size = experts / groups;
    let rows = biased.clone().reshape([tokens * groups, size]);
    let best = top_k(rows.clone(), size.min(2));
    let sums = rows.gather(1, best).sum_dim(1).reshape([tokens, groups]);
    let winners = top_k(sums, kept);
    let device = biased.device();
    let group = Tensor::<1, Int>::arange(0..groups as i64, &device).reshape([1, groups, 1]);
    let hits = winners
        .reshape([tokens, 1, kept])
        .expand([tokens, groups, kept]);
    let hits = hits
        .equal(group.expand([tokens, groups, kept]))
        .int()
        .sum_dim(2);
    let out = hits
        .equal_elem(0)
        .expand([tokens, groups, size])
        .reshape([tokens, experts]);
    top_k(biased.mask_fill(out, f32::NEG_INFINITY), k)
}
