//! Experiments of `regimen-schedules`.

pub mod continual_pretraining;
pub mod infinite_schedule;
pub mod refined_schedules;
mod stream;
