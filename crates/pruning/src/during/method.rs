//! What a dynamic method has to say.

use std::fmt::Debug;

use crate::Result;
use crate::rules::{Event, Layer, Timing};

/// A method that changes masks: decisions over plain slices.
pub trait SparseMethod: Debug + Send {
    /// Whether step `step` (the first is 1) is an event.
    fn timing(&self, step: usize) -> Timing;

    /// Whether [`update`](Self::update) looks at dense gradients.
    fn needs_gradients(&self) -> bool;

    /// Whether [`update`](Self::update) looks at the optimizer's momentum.
    fn needs_momentum(&self) -> bool {
        false
    }

    /// Whether [`update`](Self::update) looks at which weights were active before.
    fn needs_history(&self) -> bool {
        false
    }

    /// Changes the flags of the layers; returns how many weights were grown.
    ///
    /// # Errors
    /// If a weight or gradient is not finite.
    fn update(&self, event: &Event, layers: &mut [Layer]) -> Result<usize>;
}
