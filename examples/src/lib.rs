//! The proof of Regimen: one experiment a system, on real data.
//!
//! Each experiment is one file, `src/<crate>/<system>.rs`, that uses the crates as a program of
//! yours would. Read one as the example of how to use its crate.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

// crates:begin

pub mod continual;
pub mod curriculum;
pub mod moe;
pub mod pruning;
pub mod rl_rewards;
pub mod schedules;
pub mod unlearning;

// crates:end

pub mod data;
pub mod ensemble;
pub mod experiment;
pub mod hybrid_decoder;
pub mod logged;
pub mod models;
pub mod optim;
pub mod report;
pub mod runner;
pub mod train;

pub use experiment::{
    Better, Check, Context, DataKind, Domain, Fault, Finding, ImageSet, Outcome, PaperEffect,
    Quantity, Revision, System, Trial,
};

/// Every experiment, by number. `cargo xtask tidy --fix` writes this list and those of the modules.
pub const SYSTEMS: &[System] = &[
    // systems:begin
    rl_rewards::trust_grpo::SYSTEM,
    schedules::importance_annealing::SYSTEM,
    schedules::refined_schedules::SYSTEM,
    schedules::annealing_scaling_law::SYSTEM,
    continual::unified_continual_refresh::SYSTEM,
    curriculum::robust_active_learning::SYSTEM,
    rl_rewards::temporally_aware_objectives::SYSTEM,
    rl_rewards::exploratory_annealed_decoding::SYSTEM,
    schedules::infinite_schedule::SYSTEM,
    curriculum::mastery_clusters::SYSTEM,
    curriculum::data_mixing_agent::SYSTEM,
    rl_rewards::itool::SYSTEM,
    curriculum::gpicl::SYSTEM,
    rl_rewards::adaptive_inference::SYSTEM,
    moe::moe_pathways::SYSTEM,
    rl_rewards::entropic_particle_filtering::SYSTEM,
    rl_rewards::adaptive_difficulty::SYSTEM,
    curriculum::pudf_irt::SYSTEM,
    unlearning::ssd::SYSTEM,
    curriculum::multigrid::SYSTEM,
    schedules::sft_recipe::SYSTEM,
    rl_rewards::backtrack_traces::SYSTEM,
    moe::load_balancing_loss::SYSTEM,
    unlearning::datamodel_matching::SYSTEM,
    continual::plasticity::SYSTEM,
    curriculum::mbtl::SYSTEM,
    continual::continual_survey::SYSTEM,
    pruning::granet::SYSTEM,
    curriculum::seta::SYSTEM,
    rl_rewards::tulu3_rlvr::SYSTEM,
    pruning::continual_dst::SYSTEM,
    rl_rewards::sequential_or_parallel::SYSTEM,
    curriculum::betr::SYSTEM,
    rl_rewards::unified_post_training::SYSTEM,
    schedules::learning_curve_prediction::SYSTEM,
    curriculum::shot_selection::SYSTEM,
    continual::scole::SYSTEM,
    schedules::continual_pretraining::SYSTEM,
    rl_rewards::rise::SYSTEM,
    continual::fscil_tricks::SYSTEM,
    curriculum::adaptive_batch::SYSTEM,
    // systems:end
];

/// The experiment of this name.
#[must_use]
pub fn system(name: &str) -> Option<&'static System> {
    SYSTEMS.iter().find(|system| system.name == name)
}
