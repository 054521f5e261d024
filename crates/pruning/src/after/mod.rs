//! Pruning of a trained model, in one call or in rounds.

mod calibration;
mod largest;
pub mod lottery;
mod magnitude;
pub mod n_m;
mod oneshot;
mod pattern;
mod recorder;
mod rule;
pub mod sparsegpt;
pub mod wanda;

pub use calibration::Calibration;
pub use magnitude::{magnitude, magnitude_per_layer};
pub use oneshot::{prune, prune_layer};
pub use pattern::Pattern;
pub use recorder::{Recorder, prune_on};
pub use rule::Rule;
