//! Experiments of `regimen-schedules`.

pub mod exploratory_annealed_decoding;
pub mod refined_schedules;
