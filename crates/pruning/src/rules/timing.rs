//! When a method decides.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Whether a step is an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// No event.
    None,
    /// An event after the optimizer's step.
    After,
    /// An event in place of the optimizer's step.
    Instead,
}

/// A decision event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Training steps so far, this one included: the first is 1.
    pub step: usize,
    /// Events before this one.
    pub index: usize,
    /// The run's seed; random methods derive their generator from it and `index`.
    pub seed: u64,
}

impl Event {
    /// The generator of this event's random decisions, layers in order.
    #[must_use]
    pub fn generator(&self) -> ChaCha8Rng {
        let stream = (self.index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ChaCha8Rng::seed_from_u64(self.seed ^ stream)
    }
}
