//! The proof of Regimen: one experiment a system, on real data.
//!
//! Each experiment is one file, `src/<crate>/<system>.rs`, that uses the crates as a program of
//! yours would. Read one as the example of how to use its crate.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod curriculum;
pub mod data;
pub mod ensemble;
pub mod experiment;
pub mod hybrid_decoder;
pub mod models;
pub mod moe;
pub mod pruning;
pub mod report;
pub mod rl_rewards;
pub mod runner;
pub mod schedules;
pub mod train;
pub mod unlearning;

pub use experiment::{
    Better, Check, Context, DataKind, Domain, Fault, Finding, Outcome, PaperEffect, Quantity,
    Revision, System, Trial,
};

/// Every experiment, in the order of the report.
pub const SYSTEMS: &[System] = &[
    schedules::refined_schedules::SYSTEM,
    schedules::infinite_schedule::SYSTEM,
    schedules::continual_pretraining::SYSTEM,
    schedules::importance_annealing::SYSTEM,
    rl_rewards::exploratory_annealed_decoding::SYSTEM,
    curriculum::multigrid::SYSTEM,
    curriculum::adaptive_batch::SYSTEM,
    schedules::learning_curve_prediction::SYSTEM,
    schedules::annealing_scaling_law::SYSTEM,
    schedules::sft_recipe::SYSTEM,
    unlearning::ssd::SYSTEM,
    unlearning::datamodel_matching::SYSTEM,
    pruning::granet::SYSTEM,
    pruning::continual_dst::SYSTEM,
    curriculum::seta::SYSTEM,
    moe::load_balancing_loss::SYSTEM,
    moe::moe_pathways::SYSTEM,
];

/// The experiment of this name.
#[must_use]
pub fn system(name: &str) -> Option<&'static System> {
    SYSTEMS.iter().find(|system| system.name == name)
}
