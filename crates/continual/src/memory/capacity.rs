//! How much a memory holds.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::error::positive;

/// How much a memory holds. The number means the same under every [`Policy`](super::Policy).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Capacity {
    /// Examples of all classes and tasks together.
    Total(usize),
    /// Examples of each class: the whole grows with the classes.
    PerClass(usize),
    /// Examples of each task: the whole grows with the tasks.
    PerTask(usize),
    /// Bytes of all examples together, as [`Kept::bytes`](super::Kept::bytes) counts them.
    TotalBytes(usize),
}

/// What one bound is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Items(usize),
    Bytes(usize),
}

impl Capacity {
    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::Total(size) => positive("Total", size),
            Self::PerClass(size) => positive("PerClass", size),
            Self::PerTask(size) => positive("PerTask", size),
            Self::TotalBytes(size) => positive("TotalBytes", size),
        }
    }

    pub(super) fn limit(self) -> Limit {
        match self {
            Self::Total(size) | Self::PerClass(size) | Self::PerTask(size) => Limit::Items(size),
            Self::TotalBytes(size) => Limit::Bytes(size),
        }
    }

    /// The examples that share one bound.
    pub(super) fn cell(self, label: usize, task: usize) -> usize {
        match self {
            Self::Total(_) | Self::TotalBytes(_) => 0,
            Self::PerClass(_) => label,
            Self::PerTask(_) => task,
        }
    }
}
