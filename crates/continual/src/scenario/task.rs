//! What a method is told of a task.

use serde::{Deserialize, Serialize};

/// A task: its number, its classes and how many examples it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its number, from 0. A task that comes again has the same number.
    pub id: usize,
    /// Its classes, as labels; empty where they are not known.
    pub classes: Vec<usize>,
    /// Training examples of one epoch.
    pub examples: usize,
}
