//! When a memory is filled.

use serde::{Deserialize, Serialize};

/// Which examples of a task are offered to the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fill {
    /// All, each time that they are seen.
    #[default]
    Always,
    /// The first [`Task::examples`](crate::Task::examples) of each task, as [`before_task`](crate::Strategy::before_task) tells: those of its first epoch.
    FirstEpoch,
    /// So many of each task, the first that are seen.
    First(usize),
}
