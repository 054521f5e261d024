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

use super::scores::{
    Ranks, check_bias, check_top_k, check_weight, chosen, logits, normalised, single,
};
use super::softmax::{selection_bias, weight};
use super::{Choices, Gating};
use crate::Result;
use crate::error::{MoeError, above_zero, check_width};

/// Configuration of a sigmoid router.
#[derive(Config, Debug)]
pub struct SigmoidRouterConfig {
    /// Whether the scores of a token's experts are divided by their sum. If absent: for more than one expert a token. With one expert
    /// a renormalised gate is constant, whatever the router says, and the router learns nothing from the task.
    pub renormalise: Option<bool>,
    /// The gates are multiplied by this at last (2.5 in DeepSeek-V3).
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
    renormalise: bool,
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
        above_zero("scale", self.scale)?;
        check_width(d_model)?;
        check_groups(experts, self.groups, self.kept_groups, top_k)?;
        Ok(SigmoidRouter {
            weight: weight(d_model, experts, device),
            bias: selection_bias(experts, device),
            top_k,
            renormalise: self.renormalise.unwrap_or(top_k > 1),
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
    ///
    /// Scores and biases are compared exactly, however large a bias is; where sigmoids are equal because they saturated, the larger
    /// logit comes first.
    ///
    /// # Panics
    /// As Burn's own layers do, if there is not one logit an expert.
    #[must_use]
    pub fn gate(&self, logits: Tensor<2>) -> Gating {
        let logits = single(logits);
        let scores = sigmoid(logits.clone());
        let ranks = Ranks::biased(&scores, self.bias.val(), &logits);
        let choices = ranks.best_of_groups(self.top_k, self.groups, self.kept_groups);
        let mut gates = chosen(&scores, &choices);
        if self.renormalise {
            gates = normalised(gates);
        }
        Gating {
            logits: Some(logits),
            probabilities: normalised(scores),
            choices: Choices::ByToken(choices),
            gates: gates * self.scale,
            noisy: None,
        }
    }
}

impl SigmoidRouter {
    /// Whether it fits tokens of this width and so many experts.
    pub(super) fn check(&self, d_model: usize, experts: usize) -> Result<()> {
        check_weight("router weight", &self.weight, [d_model, experts])?;
        check_bias(&self.bias, experts)?;
        check_groups(experts, self.groups, self.kept_groups, self.top_k)
    }
}

/// The `k` experts of each token by biased scores `[tokens, experts]`, out of the `kept` best of `groups` of neighbouring experts;
/// `[tokens, k]`, best first.
///
/// # Errors
/// If `groups` does not divide the number of experts, `kept` is not from 1 to `groups`, or `k` not from 1 to the number of experts in
/// the groups that are kept.
pub fn select(biased: Tensor<2>, k: usize, groups: usize, kept: usize) -> Result<Tensor<2, Int>> {
    let [_, experts] = biased.dims();
    check_groups(experts, groups, kept, k)?;
    Ok(Ranks::plain(biased).best_of_groups(k, groups, kept))
}

/// `top_k` experts fit into the groups that are kept.
fn check_groups(experts: usize, groups: usize, kept: usize, top_k: usize) -> Result<()> {
    check_top_k(experts, top_k)?;
    if groups == 0 || !experts.is_multiple_of(groups) {
        let allowed = format!("a divisor of the number of experts, {experts}");
        return Err(MoeError::range("groups", groups, &allowed));
    }
    if kept == 0 || kept > groups || kept.saturating_mul(experts / groups) < top_k {
        let allowed = format!("1 to {groups} groups that hold at least {top_k} experts");
        return Err(MoeError::range("kept_groups", kept, &allowed));
    }
    Ok(())
}
