//! Experiments of `regimen-schedules`.

pub mod refined_schedules;
