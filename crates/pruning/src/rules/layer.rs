//! What a method decides on: one layer's weights, dense gradient and flags on the host.

use rayon::prelude::*;

use crate::{Masks, PruningError, Result};

/// A masked layer at an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The weights; methods may overwrite them as scratch.
    pub weights: Vec<f32>,
    /// The dense gradient of the last batch; empty if the method asks for none.
    pub gradient: Vec<f32>,
    /// The optimizer's momentum, divided by the root of its second moment if it has one; empty if the method
    /// asks for none.
    pub momentum: Vec<f32>,
    /// Which weights were active at any time so far; empty if the method does not ask.
    pub explored: Vec<bool>,
    /// Whether the weights are frozen: they may be pruned, but are not swapped, as a new weight could not learn.
    pub frozen: bool,
    /// Which weights are active.
    pub active: Vec<bool>,
    /// Which weights keep their value and the optimizer's state: a weight that is dropped, and one
    /// that is grown, even where it was dropped a moment ago, starts at zero.
    pub kept: Vec<bool>,
}

impl Layer {
    /// A layer in which everything active is kept so far.
    #[must_use]
    pub fn new(weights: Vec<f32>, gradient: Vec<f32>, active: Vec<bool>) -> Self {
        Self {
            weights,
            gradient,
            momentum: Vec::new(),
            explored: Vec::new(),
            frozen: false,
            kept: active.clone(),
            active,
        }
    }

    /// Replaces the weights by their absolute values.
    pub fn absolute(&mut self) {
        self.weights.par_iter_mut().for_each(|w| *w = w.abs());
    }

    /// Number of active weights.
    #[must_use]
    pub fn count(&self) -> usize {
        self.active.par_iter().filter(|active| **active).count()
    }

    /// Switches off what is not in `keep`.
    pub fn restrict(&mut self, keep: &[bool]) {
        let flags = self.active.par_iter_mut().zip(&mut self.kept);
        flags.zip(keep).for_each(|((active, kept), keep)| {
            *active &= keep;
            *kept &= keep;
        });
    }

    /// Switches off these weights.
    pub fn drop(&mut self, dropped: &[bool]) {
        let flags = self.active.par_iter_mut().zip(&mut self.kept);
        flags.zip(dropped).for_each(|((active, kept), drop)| {
            *active &= !drop;
            *kept &= !drop;
        });
    }

    /// Switches on these weights, which start at zero.
    pub fn grow(&mut self, grown: &[bool]) {
        let flags = self.active.par_iter_mut().zip(grown);
        flags.for_each(|(active, grow)| *active |= grow);
    }

    /// The flags of what is off.
    #[must_use]
    pub fn inactive(&self) -> Vec<bool> {
        self.active.par_iter().map(|active| !active).collect()
    }
}

/// That all weights at a decision are finite.
pub(crate) fn finite(step: usize, masks: &Masks, weights: &[Vec<f32>]) -> Result<()> {
    let mut layers = weights.iter().zip(masks.layers());
    let bad = |values: &[f32]| values.par_iter().any(|value| !value.is_finite());
    match layers.find(|(values, _)| bad(values)) {
        Some((_, mask)) => Err(PruningError::Weight {
            step,
            path: mask.path.clone(),
        }),
        None => Ok(()),
    }
}
