//! The decisions that methods are made of: what is dropped, what is grown, what is left, how much and when.

mod cubic;
mod drop;
mod growth;
mod layer;
mod on_device;
mod prune;
mod swap;
mod timing;

pub use cubic::CubicSparsity;
pub use drop::{DropRule, Rounding};
pub use growth::GrowthRule;
pub use layer::Layer;
pub(crate) use layer::finite;
pub use on_device::DeviceLayer;
pub(crate) use on_device::{
    decide_on_host, finite_on_device, on_host, prune_global_on_device, prune_uniform_on_device,
};
pub use prune::{prune_global, prune_uniform};
pub use timing::{Event, Timing};
