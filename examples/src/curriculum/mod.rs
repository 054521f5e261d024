//! Experiments of `regimen-curriculum`.

pub mod adaptive_batch;
pub mod multigrid;
pub mod seta;
