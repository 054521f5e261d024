//! Which examples stay.

use serde::{Deserialize, Serialize};

/// Which examples stay when a memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// A uniform sample of all examples so far: after n of them, each is kept with probability `capacity / n` (Vitter 1985).
    Reservoir,
    /// First in, first out, in each class or task; an example of a smaller one takes the place of the oldest of the largest.
    Ring(Groups),
    /// Greedy balance of classes (GDumb): an example of a smaller class takes the place of a random one of the largest.
    ClassBalanced,
    /// The examples of each class whose mean is nearest to the mean of all, in that order (iCaRL): see
    /// [`Memory::add_class`](super::Memory::add_class).
    Herded,
    /// A reservoir from which goes rather what is of a large class, or has a low loss: see
    /// [`Memory::observe`](super::Memory::observe).
    LossAware,
}

/// What a ring is kept of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Groups {
    /// One for each class.
    Classes,
    /// One for each task.
    Tasks,
}

impl Policy {
    /// The examples that the policy treats alike.
    pub(super) fn group(self, label: usize, task: usize) -> usize {
        match self {
            Self::Reservoir => 0,
            Self::Ring(Groups::Tasks) => task,
            Self::Ring(Groups::Classes) | Self::ClassBalanced | Self::Herded | Self::LossAware => {
                label
            }
        }
    }
}
