#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod after;
pub mod before;
pub mod during;
mod error;
mod floats;
pub mod mask;
mod part;
pub mod rules;
pub mod shrink;
pub mod tasks;

pub use during::{
    DynamicSparse, DynamicSparseConfig, Fixed, GraNetConfig, MagnitudeConfig, Movement,
    MovementConfig, MovementState, Pruner, RigLConfig, SetConfig, SparseMethod, SparseState,
    SparseTraining, TopKast, TopKastConfig, TopKastState, mask_optimizer, momenta, penalty,
};
pub use error::{PruningError, Result};
pub use mask::{Exploration, Layout, Mask, Masks};
pub use rules::{
    CubicSparsity, DeviceLayer, DropRule, Event, GrowthRule, Layer, Rounding, Timing, prune_uniform,
};
pub use shrink::SparseLinear;
pub use tasks::{AccuracyMatrix, PerTask, PerTaskConfig, PerTaskState, Topology};
