//! Experiments of `regimen-schedules`.

pub mod continual_pretraining;
pub mod infinite_schedule;
pub mod exploratory_annealed_decoding;
pub mod refined_schedules;
mod stream;
