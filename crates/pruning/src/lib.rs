#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod cubic;
pub mod density;
mod error;
mod fixed;
mod granet;
pub mod grasp;
pub mod layer;
pub mod lottery;
mod magnitude;
mod mask;
mod masks;
pub mod n_m;
mod optimizer_state;
mod pruner;
mod rigl;
mod set;
pub mod snip;
pub mod sparsegpt;
pub mod synflow;
mod training;
pub mod wanda;

pub use cubic::CubicSparsity;
pub use density::Layout;
pub use error::{PruningError, Result};
pub use fixed::Fixed;
pub use granet::{GraNet, GraNetConfig};
pub use layer::Layer;
pub use magnitude::{MagnitudeConfig, prune_uniform};
pub use mask::Mask;
pub use masks::Masks;
pub use optimizer_state::mask_optimizer;
pub use pruner::Pruner;
pub use rigl::{RigL, RigLConfig};
pub use set::{Set, SetConfig, next_to_zero};
pub use training::{Event, SparseMethod, SparseState, SparseTraining, Timing};
