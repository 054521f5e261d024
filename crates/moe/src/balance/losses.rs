//! The losses of a pass, all at once.

use burn::tensor::Tensor;

use super::{Load, importance_loss, load_balancing_loss, noisy_load_loss, z_loss};
use crate::Routing;

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
}
