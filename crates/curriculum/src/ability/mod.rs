//! Difficulty and ability: orders that follow what a model can do.

pub mod adaptive;
mod inversions;
pub mod irt;
pub mod paced;

pub use adaptive::{AdaptiveDifficulty, AdaptiveDifficultyConfig, difficulty};
pub use inversions::normalised_inversions;
pub use paced::{AbilityPaced, AbilityPacedConfig};
