//! Sparse while training: the dynamic methods, and the handle by which a model carries one.

mod dynamic;
mod fixed;
pub(crate) mod gradients;
mod granet;
pub(crate) mod handle;
pub(crate) mod layers;
mod magnitude;
mod method;
mod movement;
pub(crate) mod optimizer_state;
mod pruner;
mod rigl;
mod set;
pub(crate) mod stored;
mod top_kast;
mod training;

pub use dynamic::{DynamicSparse, DynamicSparseConfig};
pub use fixed::Fixed;
pub use granet::GraNetConfig;
pub use magnitude::MagnitudeConfig;
pub use method::SparseMethod;
pub use movement::{Movement, MovementConfig, MovementState};
pub use optimizer_state::{mask_optimizer, momenta};
pub use pruner::Pruner;
pub use rigl::RigLConfig;
pub use set::SetConfig;
pub use top_kast::{TopKast, TopKastConfig, TopKastState, penalty};
pub use training::{SparseState, SparseTraining};
