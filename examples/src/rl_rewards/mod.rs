//! Experiments of `regimen-rl-rewards`.

// systems:begin

pub mod adaptive_difficulty;
pub mod adaptive_inference;
pub mod backtrack_traces;
pub mod entropic_particle_filtering;
pub mod exploratory_annealed_decoding;
pub mod itool;
pub mod rise;
pub mod sequential_or_parallel;
pub mod temporally_aware_objectives;
pub mod trust_grpo;
pub mod tulu3_rlvr;
pub mod unified_post_training;

// systems:end

pub mod bed;
