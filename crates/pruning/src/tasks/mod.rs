//! Sparse topologies for a sequence of tasks, and what each task still knows.

mod accuracy_matrix;
mod per_task;

pub use accuracy_matrix::AccuracyMatrix;
pub use per_task::{PerTask, PerTaskConfig, PerTaskState, Topology};
