//! # checkpoint
//!
//! Everything that a run keeps, saved and restored as one.
//!
//! [`Checkpoint`] serves a loop of your own, [`EpochCheckpoint`] (feature `train`) Burn's `SupervisedTraining`; what they
//! hold is whatever implements [`Part`].
//!
//! Source: Regimen's own; a commit is the usual order of POSIX systems: a folder of a temporary name, `fsync`, `rename`.

mod error;
mod folder;
mod manifest;
mod part;
mod unit;

#[cfg(feature = "burn")]
mod burn_record;

#[cfg(feature = "burn")]
mod exact;

#[cfg(feature = "burn")]
mod model;

#[cfg(feature = "burn")]
mod optimizer;

#[cfg(feature = "burn")]
mod scheduler;

#[cfg(feature = "train")]
mod epochs;

#[cfg(feature = "burn")]
pub use burn_record::RecordError;
#[cfg(feature = "train")]
pub use epochs::EpochCheckpoint;
pub use error::{CheckpointError, Result};
#[cfg(feature = "burn")]
pub use exact::{Exact, ExactState, StateOf};
pub use part::{Part, PartError, json};
pub use unit::Checkpoint;
