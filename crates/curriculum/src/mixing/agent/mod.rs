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

use crate::error::{CurriculumError, Result};

/// What a tensor operation says, as an error of this crate.
fn failed(error: impl std::fmt::Display) -> CurriculumError {
    CurriculumError::Agent(error.to_string())
}

/// Refuses weights that are not finite.
fn finite(weights: &[Vec<f32>]) -> Result<()> {
    let mut all = weights.iter().flatten();
    match all.find(|weight| !weight.is_finite()) {
        None => Ok(()),
        Some(weight) => Err(CurriculumError::Agent(format!(
            "a weight is {weight}: lower the rates"
        ))),
    }
}
