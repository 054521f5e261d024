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
pub use magnitude::{
    magnitude, magnitude_per_layer, magnitude_per_layer_watched, magnitude_watched,
};
pub use oneshot::{prune, prune_layer, prune_watched};
pub use pattern::Pattern;
pub use recorder::{Recorder, prune_on, prune_on_watched};
pub use rule::Rule;
