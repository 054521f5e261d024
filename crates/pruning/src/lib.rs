#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod cubic;
pub mod density;
mod error;
mod fixed;
mod granet;
pub mod layer;
mod magnitude;
mod masks;
mod optimizer_state;
mod pruner;
mod rigl;
mod set;
mod training;

pub use cubic::CubicSparsity;
pub use density::Layout;
pub use error::{PruningError, Result};
pub use fixed::Fixed;
pub use granet::{GraNet, GraNetConfig};
pub use layer::Layer;
pub use magnitude::{MagnitudeConfig, prune_uniform};
pub use masks::{Mask, Masks};
pub use optimizer_state::mask_optimizer;
pub use pruner::Pruner;
pub use rigl::{RigL, RigLConfig};
pub use set::{Set, SetConfig, next_to_zero};
pub use training::{Event, SparseMethod, SparseState, SparseTraining, Timing};
