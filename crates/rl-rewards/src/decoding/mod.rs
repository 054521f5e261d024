//! Temperatures of sampling that follow the token and the training step, a sampler that uses them, and the correction of
//! what is trained on its tokens.
//!
//! Tokens are those of the response: the first one after the prompt is token 0.

mod any;
#[cfg(feature = "burn")]
mod blocks;
#[cfg(feature = "burn")]
mod correction;
#[cfg(feature = "burn")]
mod race;
#[cfg(feature = "burn")]
mod sampler;
mod temperature;
#[cfg(feature = "burn")]
mod truncate;

pub use any::Temperature;
#[cfg(feature = "burn")]
pub use correction::{temper, token_log_probs, truncated_ratio};
#[cfg(feature = "burn")]
pub use sampler::{Sampled, TokenSampler};
pub use temperature::{Annealing, DecodingTemperature};
