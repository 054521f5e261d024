//! # Ring
//!
//! The newest examples of each class or task.
//!
//! Source: Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning" (arXiv 1706.08840), whose memory holds the
//! last examples of each task.

use super::cell::{Counts, Place};

/// What goes for an example of `group`: the oldest of its own group if none is larger, else the oldest of the largest.
pub(super) fn victim(counts: &Counts, group: usize) -> Place {
    let (largest, size) = counts.largest();
    match counts.of(group) == size {
        true => (group, 0),
        false => (largest, 0),
    }
}
