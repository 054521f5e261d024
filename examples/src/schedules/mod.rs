//! Experiments of `regimen-schedules`.

pub mod learning_curve_prediction;
pub mod refined_schedules;
