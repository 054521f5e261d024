//! Which examples a task has.

use serde::{Deserialize, Serialize};

use super::task::Task;
use super::transform::Transform;

/// A task, and its examples by their places in the data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The task.
    pub task: Task,
    /// Places in the data set, in the order of the stream.
    pub examples: Vec<usize>,
    /// Whether a model may be told the task at test: only then [`Task::mask`](super::Task::mask) is allowed there.
    pub known: bool,
    /// What is done to the inputs.
    pub transform: Transform,
}

impl Planned {
    pub(super) fn new(task: Task, examples: Vec<usize>, known: bool) -> Self {
        let transform = Transform::None;
        Self {
            task,
            examples,
            known,
            transform,
        }
    }
}
