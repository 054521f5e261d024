//! # LossAware
//!
//! A reservoir that keeps what has a high loss, of all classes.
//!
//! Source: Buzzega et al., "Rethinking Experience Replay: a Bag of Tricks for Continual Learning" (arXiv 2010.05595), section 3.
//!
//! An example is accepted as by a reservoir. What goes is drawn from a mixture of equal parts: by balance, a class with
//! probability in proportion to the square of its size and a random example of it (a score of each example that is the size of
//! its class); by loss, the one with the lower loss of two random examples. Differs from the paper in that the score by
//! loss is its rank, linearly, not the loss over its sum: it needs no pass over the memory, and no outlier takes it over.

use std::collections::HashMap;

use rand::{Rng, RngExt};

use super::cell::{Cell, Counts, Place};

/// What goes.
pub(super) fn victim<I>(
    cell: &Cell<I>,
    losses: &HashMap<u64, Option<f32>>,
    rng: &mut impl Rng,
) -> Place {
    if rng.random_bool(0.5) {
        return of_a_large_class(&cell.counts(), rng);
    }
    let mut random = || cell.place(rng.random_range(0..cell.len.max(1)));
    let (one, other) = (random(), random());
    let loss = |place| {
        let number = cell.get(place).map(|kept| kept.number);
        let loss = number.and_then(|number| *losses.get(&number)?);
        loss.unwrap_or(f32::INFINITY)
    };
    match loss(other) < loss(one) {
        true => other,
        false => one,
    }
}

fn of_a_large_class(counts: &Counts, rng: &mut impl Rng) -> Place {
    let square = |size: usize| (size as u128) * (size as u128);
    let all: u128 = counts.0.values().map(|size| square(*size)).sum();
    let mut left = rng.random_range(0..all.max(1));
    for (group, size) in &counts.0 {
        if left < square(*size) {
            return (*group, rng.random_range(0..*size));
        }
        left -= square(*size);
    }
    (0, 0)
}
