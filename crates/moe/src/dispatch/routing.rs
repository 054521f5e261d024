//! What a layer did with its tokens.

use burn::tensor::Tensor;

use crate::routers::{Gating, single};

/// The record of one pass through a mixture.
///
/// Padding counts in none of its figures, which are float32 whatever the layer's type. Everything stays on the device until it is asked for.
#[derive(Debug, Clone)]
pub struct Routing {
    /// The router's decision: logits, probabilities, choices and gates.
    pub gating: Gating,
    /// Assignments of each expert before any was dropped, `[experts]`.
    pub counts: Tensor<1>,
    /// Assignments that were dropped, `[1]`.
    pub dropped: Tensor<1>,
    /// Tokens that are no padding, `[1]`.
    pub tokens: Tensor<1>,
    /// 1 for a token, 0 for padding, `[tokens]`; absent if there is no padding.
    pub valid: Option<Tensor<1>>,
    /// Rows and columns of the batch, whose tokens are flat above: `[batch, seq]`.
    pub shape: [usize; 2],
}

impl Routing {
    /// Each token's distribution over the experts, `[tokens, experts]`, zero for padding.
    #[must_use]
    pub fn probabilities(&self) -> Tensor<2> {
        self.masked(self.gating.probabilities.clone())
    }

    /// Zero where there is padding; float32.
    pub(crate) fn masked(&self, rows: Tensor<2>) -> Tensor<2> {
        let rows = single(rows);
        match &self.valid {
            Some(valid) => rows * single(valid.clone()).unsqueeze_dim::<2>(1),
            None => rows,
        }
    }

    /// The number of experts.
    #[must_use]
    pub fn experts(&self) -> usize {
        self.gating.probabilities.dims()[1]
    }
}
