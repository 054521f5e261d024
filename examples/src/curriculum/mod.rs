//! Experiments of `regimen-curriculum`.

// systems:begin

pub mod adaptive_batch;
pub mod betr;
pub mod multigrid;
pub mod seta;

// systems:end
