//! Experiments of `regimen-schedules`.

pub mod adaptive_batch;
pub mod multigrid;
pub mod refined_schedules;
