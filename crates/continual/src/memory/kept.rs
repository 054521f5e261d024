//! An example in a memory.

use serde::{Deserialize, Serialize};

use super::bytes::Bytes;

/// An example with what a method needs beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept<I> {
    /// The example.
    pub item: I,
    /// Its class.
    pub label: usize,
    /// Its task.
    pub task: usize,
    /// The model's logits when it was added, finite.
    pub logits: Option<Vec<f32>>,
    /// Its number among all examples that a memory was offered.
    pub(super) number: u64,
    /// Its bytes.
    pub(super) bytes: usize,
}

impl<I: Bytes> Kept<I> {
    /// An example of a class and a task, without logits.
    #[must_use]
    pub fn new(item: I, label: usize, task: usize) -> Self {
        Self {
            item,
            label,
            task,
            logits: None,
            number: 0,
            bytes: 0,
        }
    }

    /// With the model's logits.
    #[must_use]
    pub fn with_logits(self, logits: Vec<f32>) -> Self {
        Self {
            logits: Some(logits),
            ..self
        }
    }

    /// Bytes of the item and of its logits; label and task do not count.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.item.bytes() + self.logits.bytes()
    }
}

impl<I> Kept<I> {
    /// Its number among all examples that the memory was offered, from 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}
