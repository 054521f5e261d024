//! Multigrid batch shapes: the plan in epochs and in iterations, its batch norm, and the sampling of frames.

mod batch_norm;
mod config;
mod cycles;
mod grid;
mod run;
#[cfg(feature = "burn")]
mod sub_batch_norm;

#[cfg(feature = "burn")]
pub use batch_norm::merge_groups;
pub use batch_norm::{BatchNormGroups, BatchNormStatistics};
pub use config::{Dimension, MultigridConfig, ShortCycle};
pub use cycles::{BatchShape, Multigrid, MultigridEntry};
pub use grid::{jitter_range, temporal_strides};
pub use run::MultigridRun;
#[cfg(feature = "burn")]
pub use sub_batch_norm::{SubBatchNorm, SubBatchNormConfig};
