//! Whether a network can still learn, and what keeps it able to: meters, interventions, and how often to update.

#[cfg(feature = "burn")]
mod activity;
#[cfg(feature = "burn")]
mod continual_backprop;
#[cfg(feature = "burn")]
mod crelu;
#[cfg(feature = "burn")]
mod draw;
#[cfg(feature = "burn")]
mod gathered;
#[cfg(feature = "burn")]
mod injection;
#[cfg(feature = "burn")]
mod l2_init;
#[cfg(feature = "burn")]
mod meters;
#[cfg(feature = "burn")]
mod probe;
#[cfg(feature = "burn")]
mod recycle;
#[cfg(feature = "burn")]
mod redo;
mod replay_ratio;
#[cfg(feature = "burn")]
mod reset;
#[cfg(feature = "burn")]
mod shrink_perturb;
#[cfg(feature = "burn")]
mod units;

#[cfg(feature = "burn")]
pub use activity::{Activations, Probed};
#[cfg(feature = "burn")]
pub use continual_backprop::{ContinualBackprop, ContinualBackpropConfig};
#[cfg(feature = "burn")]
pub use crelu::crelu;
#[cfg(feature = "burn")]
pub use draw::Draw;
#[cfg(feature = "burn")]
pub use injection::{Injected, inject};
#[cfg(feature = "burn")]
pub use l2_init::{L2Init, L2InitConfig};
#[cfg(feature = "burn")]
pub use meters::{Ranks, active, dormancy, gradient_diversity, ranks, weight_norm};
#[cfg(feature = "burn")]
pub use probe::{LayerProbe, Probe, probe};
#[cfg(feature = "burn")]
pub use recycle::{Renewed, recycle};
#[cfg(feature = "burn")]
pub use redo::{ReDo, ReDoConfig, Recycling, Which};
pub use replay_ratio::{ReplayRatio, ReplayRatioConfig};
#[cfg(feature = "burn")]
pub use reset::{Reset, ResetConfig, reset};
#[cfg(feature = "burn")]
pub use shrink_perturb::{ShrinkPerturb, ShrinkPerturbConfig, shrink_perturb};
#[cfg(feature = "burn")]
pub use units::Units;
