//! What is called in a training loop: small pieces over the traits of policies and agents.

pub mod learned;
#[cfg(feature = "burn")]
mod reformulation;

#[cfg(feature = "burn")]
pub use reformulation::{Guidance, GuidedRatio, Placement, Reformulated, Reformulation, Rescued};
