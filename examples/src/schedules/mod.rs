//! Experiments of `regimen-schedules`.

pub mod multigrid;
pub mod refined_schedules;
