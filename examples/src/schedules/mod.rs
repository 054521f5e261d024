//! Experiments of `regimen-schedules`.

// systems:begin

pub mod annealing_scaling_law;
pub mod continual_pretraining;
pub mod importance_annealing;
pub mod infinite_schedule;
pub mod learning_curve_prediction;
pub mod refined_schedules;
pub mod sft_recipe;

// systems:end

mod stream;
