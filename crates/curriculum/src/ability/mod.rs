//! Difficulty and ability: orders that follow what a model can do.

pub mod adaptive;
mod inversions;
pub mod irt;
pub mod mastery;
pub mod paced;

pub use adaptive::{AdaptiveDifficulty, AdaptiveDifficultyConfig, difficulty};
pub use inversions::normalised_inversions;
pub use mastery::{ClusterDraws, ClusterDrawsConfig};
pub use paced::{AbilityPaced, AbilityPacedConfig};
