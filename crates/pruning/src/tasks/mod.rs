//! Sparse topologies for a sequence of tasks, and what each task still knows.

mod per_task;

pub use per_task::{PerTask, PerTaskConfig, PerTaskState, Topology};
pub use regimen_tensor::AccuracyMatrix;
