//! Experiments of `regimen-schedules`.

// systems:begin

pub mod adaptive_batch;
pub mod annealing_scaling_law;
pub mod continual_pretraining;
pub mod exploratory_annealed_decoding;
pub mod importance_annealing;
pub mod infinite_schedule;
pub mod learning_curve_prediction;
pub mod multigrid;
pub mod refined_schedules;
pub mod sft_recipe;

// systems:end

mod stream;
