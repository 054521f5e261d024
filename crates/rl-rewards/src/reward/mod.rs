//! Rewards: verifiers and penalties, weighted, gated, clipped and annealed.

mod compose;
mod length;
mod overlong;
mod response;
mod scorer;

pub use compose::{MOST_PARTS, Reward, RewardScore};
pub use length::PerToken;
pub use overlong::Overlong;
pub use response::{Response, Scorer};
pub use scorer::{AnyLength, AnyScorer};
