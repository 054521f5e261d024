//! Advantages of tokens, from rewards and masks of `[responses, tokens]`, row by row.

mod gae;
mod mask;
mod optimal_baseline;
mod reinforce_plus_plus;
mod returns;
mod rewards;
mod whiten;

pub use gae::Gae;
pub use mask::TokenMask;
pub use optimal_baseline::OptimalTokenBaseline;
pub use reinforce_plus_plus::ReinforcePlusPlus;
pub use returns::Returns;
pub use rewards::token_rewards;
pub(super) use whiten::weighted_whiten;
pub use whiten::whiten;
