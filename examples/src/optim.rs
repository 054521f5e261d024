//! The optimizers that experiments share.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, ModuleOptimizer, SgdConfig};

/// SGD with momentum .9, no dampening, and this weight decay; none for 0.
#[must_use]
pub fn sgd(decay: f32) -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_dampening(0.0);
    let decay = (decay > 0.0).then(|| WeightDecayConfig::new(decay));
    SgdConfig::new()
        .with_momentum(Some(momentum))
        .with_weight_decay(decay)
        .init()
}

/// Adam with this second moment, and an epsilon of 1e-8, which is PyTorch's; Burn's own is 1e-5.
#[must_use]
pub fn adam(beta_2: f32) -> ModuleOptimizer {
    AdamConfig::new()
        .with_beta_2(beta_2)
        .with_epsilon(1e-8)
        .init()
}
