//! # MixingAgent
//!
//! Decides the mixture of a run's next step from all mixtures and evaluations so far: a small transformer that learns offline from cheap runs.
//!
//! Source: "Data Mixing Agent: Learning to Re-weight Domains for Continual Pre-training", arXiv 2507.15640; conservative Q-learning, arXiv 2006.04779

mod config;
mod deploy;
mod episodes;
mod fit;
mod network;
#[cfg(test)]
mod tests;

pub use config::{FeedbackInput, MixingAgentConfig};
pub use deploy::{MixingAgent, MixingAgentState};

use crate::error::CurriculumError;

/// What a tensor operation says, as an error of this crate.
fn failed(error: impl std::fmt::Display) -> CurriculumError {
    CurriculumError::Agent(error.to_string())
}
