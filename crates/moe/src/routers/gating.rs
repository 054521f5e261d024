//! What a router decides.

use burn::tensor::{Int, Tensor};

/// Who chose whom.
#[derive(Debug, Clone)]
pub enum Choices {
    /// The experts of each token, best first, `[tokens, top_k]`.
    ByToken(Tensor<2, Int>),
    /// The tokens of each expert, best first, `[experts, capacity]`.
    ByExpert(Tensor<2, Int>),
}

/// A router's decision about some tokens.
#[derive(Debug, Clone)]
pub struct Gating {
    /// The router's logits before noise, `[tokens, experts]`; a hash router has none.
    pub logits: Option<Tensor<2>>,
    /// Each token's distribution over the experts, `[tokens, experts]`, as balance losses take it.
    pub probabilities: Tensor<2>,
    /// Who chose whom.
    pub choices: Choices,
    /// The weights of the choices, of the same shape as they.
    pub gates: Tensor<2>,
    /// What a noisy router's load is estimated from.
    pub noisy: Option<NoisyScores>,
}

/// A noisy router's scores.
#[derive(Debug, Clone)]
pub struct NoisyScores {
    /// Scores without noise, `[tokens, experts]`.
    pub clean: Tensor<2>,
    /// Scores that were compared, `[tokens, experts]`.
    pub noisy: Tensor<2>,
    /// Standard deviation of the noise, `[tokens, experts]`.
    pub deviation: Tensor<2>,
}
