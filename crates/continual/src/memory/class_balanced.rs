//! # ClassBalanced
//!
//! As many examples of each class, greedily.
//!
//! Source: Prabhu et al., "GDumb: A Simple Approach that Questions Our Progress in Continual Learning" (ECCV 2020), algorithm 1.
//!
//! Differs from algorithm 1 in that a memory that is not full takes every example: the classes share what is there once it is full.

use rand::{Rng, RngExt};

use super::cell::{Counts, Place};

/// Whether a full memory takes an example of `group`: if another class has more.
pub(super) fn takes(counts: &Counts, group: usize) -> bool {
    counts.of(group) < counts.largest().1
}

/// A random example of the largest class.
pub(super) fn victim(counts: &Counts, rng: &mut impl Rng) -> Place {
    let (largest, size) = counts.largest();
    (largest, rng.random_range(0..size.max(1)))
}
