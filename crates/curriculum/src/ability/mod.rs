//! Difficulty and ability: orders that follow what a model can do.

pub mod irt;
pub mod paced;

pub use paced::{AbilityPaced, AbilityPacedConfig};
