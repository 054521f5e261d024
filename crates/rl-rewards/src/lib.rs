#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;

pub mod decoding;

pub mod policy;

pub use decoding::{Annealing, DecodingTemperature, Temperature};
#[cfg(feature = "burn")]
pub use decoding::{Sampled, TokenSampler, temper, token_log_probs, truncated_ratio};
pub use error::{Result, RlRewardsError};
pub use policy::{Completion, End, Rollout, Rollouts, pass_at_k};
#[cfg(feature = "burn")]
pub use policy::{
    Decoding, NextToken, Observer, SamplePolicy, ScorePolicy, Sequences, generate, generate_with,
};
