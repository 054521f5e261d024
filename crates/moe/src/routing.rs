//! What a layer did with its tokens.

use burn::tensor::Tensor;

use crate::balance::{Load, importance_loss, load_balancing_loss, noisy_load_loss, z_loss};
use crate::routers::Gating;

/// The record of one pass through a mixture.
///
/// Padding counts in none of its figures. Everything stays on the device until it is asked for.
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

/// The auxiliary losses of a pass, each `[1]` and without a coefficient.
#[derive(Debug, Clone)]
pub struct AuxiliaryLosses {
    /// Load balancing, 1 at balance: [`load_balancing_loss`].
    pub balance: Tensor<1>,
    /// Router z-loss: [`z_loss`].
    pub z: Tensor<1>,
    /// Spread of the experts' importance, 0 at balance: [`importance_loss`].
    pub importance: Tensor<1>,
    /// Spread of the expected load of a noisy router in training: [`noisy_load_loss`].
    pub load: Option<Tensor<1>>,
}

impl Routing {
    /// All auxiliary losses; add those you want to the loss of your task, times their coefficients.
    #[must_use]
    pub fn losses(&self) -> AuxiliaryLosses {
        AuxiliaryLosses {
            balance: load_balancing_loss(&Load::of(self)),
            z: z_loss(self),
            importance: importance_loss(self),
            load: noisy_load_loss(self),
        }
    }

    /// Each token's distribution over the experts, `[tokens, experts]`, zero for padding.
    #[must_use]
    pub fn probabilities(&self) -> Tensor<2> {
        self.masked(self.gating.probabilities.clone())
    }

    /// Zero where there is padding.
    pub(crate) fn masked(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.valid {
            Some(valid) => rows * valid.clone().unsqueeze_dim::<2>(1),
            None => rows,
        }
    }

    /// The number of experts.
    #[must_use]
    pub fn experts(&self) -> usize {
        self.gating.probabilities.dims()[1]
    }
}
