//! The state of a method with a memory.

use super::fill::Fill;
use crate::memory::Memory;
use crate::scenario::Task;

pub(super) struct Core<I, X> {
    pub(super) memory: Memory<I>,
    fill: Fill,
    pub(super) task: usize,
    /// Examples of the running task, where the user told.
    pub(super) examples: Option<usize>,
    /// Examples of the running task that were offered.
    pub(super) offered: usize,
    /// Whether the examples were read from a state, and not yet looked at.
    pub(super) restored: bool,
    pub(super) extra: X,
}

impl<I, X> Core<I, X> {
    pub(super) fn new(memory: Memory<I>, fill: Fill, extra: X) -> Self {
        Self {
            memory,
            fill,
            task: 0,
            examples: None,
            offered: 0,
            restored: false,
            extra,
        }
    }

    pub(super) fn begin(&mut self, task: &Task) {
        (self.task, self.examples, self.offered) = (task.id, Some(task.examples), 0);
    }

    pub(super) fn end(&mut self) {
        (self.task, self.examples, self.offered) = (self.task.saturating_add(1), None, 0);
    }

    /// How many examples may still be offered in the running task.
    pub(super) fn room(&self) -> usize {
        let most = match (self.fill, self.examples) {
            (Fill::First(most), _) | (Fill::FirstEpoch, Some(most)) => most,
            _ => usize::MAX,
        };
        most.saturating_sub(self.offered)
    }

    pub(super) fn count(&mut self, offered: usize) {
        self.offered = self.offered.saturating_add(offered);
    }
}
