//! Rewards: verifiers and penalties, weighted, gated, clipped and annealed.

mod length;
mod overlong;
mod response;
mod reward;
mod scorer;

pub use length::PerToken;
pub use overlong::Overlong;
pub use response::Response;
pub use reward::{MOST_PARTS, Reward, RewardScore};
pub use scorer::{AnyLength, AnyScorer, Scorer};
