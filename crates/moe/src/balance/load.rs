//! # Load-balancing loss
//!
//! The usual loss of a mixture: large if experts that are likely are also often chosen.
//!
//! Source: Fedus et al., "Switch Transformers" (arXiv 2101.03961), equations 4 to 6; over several layers as in Hugging Face's
//! transformers.

use burn::tensor::Tensor;

use crate::error::{MoeError, read};
use crate::routers::single;
use crate::{Result, Routing};

/// What a balance loss is made of, summed over tokens: counts of the choices and probabilities.
///
/// Loads of several layers or micro-batches add up ([`Self::plus`]); the loss of the sum weighs every token alike.
#[derive(Debug, Clone)]
pub struct Load {
    /// Assignments of each expert, `[experts]`; no gradient.
    pub counts: Tensor<1>,
    /// Sums of the probabilities, `[experts]`; the router's gradient comes from here.
    pub probabilities: Tensor<1>,
    /// Tokens, `[1]`.
    pub tokens: Tensor<1>,
}

impl Load {
    /// The load of one pass.
    #[must_use]
    pub fn of(routing: &Routing) -> Self {
        let experts = routing.experts();
        Self {
            counts: single(routing.counts.clone()).detach(),
            probabilities: routing.probabilities().sum_dim(0).reshape([experts]),
            tokens: single(routing.tokens.clone()),
        }
    }

    /// Both loads together, on the first one's device.
    ///
    /// # Errors
    /// If they are of different numbers of experts, or a load is not of one number an expert and one number of tokens.
    pub fn plus(self, other: Self) -> Result<Self> {
        let [experts] = self.counts.dims();
        for (field, [found], wanted) in [
            ("probabilities", self.probabilities.dims(), experts),
            ("tokens", self.tokens.dims(), 1),
            ("counts", other.counts.dims(), experts),
            ("probabilities", other.probabilities.dims(), experts),
            ("tokens", other.tokens.dims(), 1),
        ] {
            if found != wanted {
                return Err(MoeError::shape(field, &[found], format!("[{wanted}]")));
            }
        }
        let device = self.counts.device();
        let sum = |a: Tensor<1>, b: Tensor<1>| single(a) + single(b).to_device(&device);
        Ok(Self {
            counts: sum(self.counts, other.counts),
            probabilities: sum(self.probabilities, other.probabilities),
            tokens: sum(self.tokens, other.tokens),
        })
    }

    /// The counts on the host.
    ///
    /// # Errors
    /// If the device can't be read.
    pub fn read_counts(&self) -> Result<Vec<f64>> {
        read("counts", self.counts.clone())
    }
}

/// `E sum_i f_i P_i`, `[1]`: `f_i` the share of the assignments that went to expert `i`, `P_i` its mean probability.
///
/// Exactly 1 if either is uniform, and at least 1 whenever both are ordered alike; up to `E` if one expert has all. It is not
/// bounded below by 1: opposite orders of `f` and `P` give less. No tokens give 0.
///
/// The shares sum to 1, as in Megatron-LM and MegaBlocks. transformers takes them per token, so that they sum to `top_k`:
/// its loss is this one times `top_k`. Usual coefficients at this scale: 0.01 (Switch), 0.001 to 0.02 (transformers, times
/// `top_k`).
#[must_use]
pub fn load_balancing_loss(load: &Load) -> Tensor<1> {
    let [experts] = load.counts.dims();
    let counts = single(load.counts.clone());
    let shares = counts.clone() / counts.sum().clamp_min(1.0);
    let means = single(load.probabilities.clone()) / single(load.tokens.clone()).clamp_min(1.0);
    (shares * means).sum() * experts as f64
}
