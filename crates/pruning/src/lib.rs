#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod accuracy_matrix;
mod bits;
mod cubic;
pub mod density;
mod drop;
mod dynamic;
mod error;
mod exploration;
mod fixed;
mod floats;
mod gradients;
mod granet;
pub mod grasp;
mod growth;
pub mod layer;
pub mod lottery;
mod magnitude;
mod mask;
mod masks;
pub mod n_m;
mod optimizer_state;
mod per_task;
mod pruner;
mod rigl;
mod set;
pub mod snip;
pub mod sparsegpt;
pub mod synflow;
mod top_kast;
mod training;
pub mod wanda;

pub use accuracy_matrix::AccuracyMatrix;
pub use cubic::CubicSparsity;
pub use density::Layout;
pub use drop::{DropRule, Rounding};
pub use dynamic::{DynamicSparse, DynamicSparseConfig};
pub use error::{PruningError, Result};
pub use exploration::Exploration;
pub use fixed::Fixed;
pub use granet::GraNetConfig;
pub use growth::GrowthRule;
pub use layer::Layer;
pub use magnitude::{MagnitudeConfig, prune_uniform};
pub use mask::Mask;
pub use masks::Masks;
pub use optimizer_state::{mask_optimizer, momenta};
pub use per_task::{PerTask, PerTaskConfig, PerTaskState, Topology};
pub use pruner::Pruner;
pub use rigl::RigLConfig;
pub use set::SetConfig;
pub use top_kast::{TopKast, TopKastConfig, TopKastState, penalty};
pub use training::{Event, SparseMethod, SparseState, SparseTraining, Timing};
