//! # ExpertChoiceRouter
//!
//! Each expert takes the tokens that score it highest, all experts the same number: perfect balance, and a token may get any
//! number of experts, or none.
//!
//! Source: Zhou et al., "Mixture-of-Experts with Expert Choice Routing" (arXiv 2202.09368), section 3.2.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use super::scores::{check_weight, logits, single};
use super::softmax::weight;
use super::top_k::ranked;
use super::{Choices, Gating};
use crate::Result;
use crate::error::{above_zero, check_width, most_experts, positive};

/// Configuration of a router by the experts' choice.
#[derive(Config, Debug)]
pub struct ExpertChoiceRouterConfig {
    /// Experts a token gets on average: each expert takes `tokens * factor / experts` tokens, rounded down, at least one. The
    /// mixture's `top_k` plays no part.
    #[config(default = 2.0)]
    pub factor: f64,
}

/// Experts choose tokens.
///
/// The choice looks at all tokens of the batch, later ones of a sequence too: it is not causal, so not for generating text
/// token by token as it stands.
#[derive(Module, Debug)]
pub struct ExpertChoiceRouter {
    /// `[d_model, experts]`.
    pub weight: Param<Tensor<2>>,
    factor: f64,
}

impl ExpertChoiceRouterConfig {
    /// A router of tokens of width `d_model`.
    ///
    /// # Errors
    /// If there is no expert or more than 65,536, the width is 0 or above 2^24, or the factor is not a finite number above 0.
    pub fn init(
        &self,
        d_model: usize,
        experts: usize,
        device: &Device,
    ) -> Result<ExpertChoiceRouter> {
        positive("experts", experts)?;
        most_experts(experts)?;
        check_width(d_model)?;
        above_zero("factor", self.factor)?;
        Ok(ExpertChoiceRouter {
            weight: weight(d_model, experts, device),
            factor: self.factor,
        })
    }
}

impl ExpertChoiceRouter {
    /// Tokens `[tokens, d_model]` to the experts that take them. `valid` `[tokens]` is 0 for padding.
    #[must_use]
    pub fn forward(&self, x: Tensor<2>, valid: Option<Tensor<1>>) -> Gating {
        self.gate(logits(x, self.weight.val()), valid)
    }

    /// Whether it fits tokens of this width and so many experts.
    pub(super) fn check(&self, d_model: usize, experts: usize) -> Result<()> {
        check_weight("router weight", &self.weight, [d_model, experts])
    }

    /// Logits `[tokens, experts]` to the experts' tokens.
    ///
    /// With padding the number of tokens is read from the device, because it sets the shape of the choice. If all is padding
    /// each expert chooses one place of it, which counts as nothing.
    #[must_use]
    pub fn gate(&self, logits: Tensor<2>, valid: Option<Tensor<1>>) -> Gating {
        let logits = single(logits);
        let [tokens, experts] = logits.dims();
        let probabilities = softmax(logits.clone(), 1);
        let mut scores = probabilities.clone().detach();
        let mut count = tokens;
        if let Some(valid) = valid {
            count = single(valid.clone()).sum().into_scalar::<f32>() as usize;
            let padding = valid.equal_elem(0.0).unsqueeze_dim::<2>(1);
            scores = scores.mask_fill(padding.expand([tokens, experts]), -1.0);
        }
        let taken = ((count as f64 * self.factor / experts as f64 + 1e-9) as usize).max(1);
        let choices = ranked(
            vec![scores.transpose()],
            taken.min(count.max(1)).min(tokens),
        );
        let gates = probabilities.clone().transpose().gather(1, choices.clone());
        Gating {
            logits: Some(logits),
            probabilities,
            choices: Choices::ByExpert(choices),
            gates,
            noisy: None,
        }
    }
}
