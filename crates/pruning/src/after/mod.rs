//! Pruning of a trained model, in one call or in rounds.

pub mod lottery;
mod magnitude;
pub mod n_m;
mod oneshot;
mod pattern;
pub mod sparsegpt;
pub mod wanda;

pub use magnitude::{magnitude, magnitude_per_layer};
pub use oneshot::{Rule, prune, prune_layer};
pub use pattern::Pattern;
