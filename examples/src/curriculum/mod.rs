//! Experiments of `regimen-curriculum`.

// systems:begin

pub mod adaptive_batch;
pub mod mastery_clusters;
pub mod multigrid;
pub mod pudf_irt;
pub mod seta;

// systems:end

mod bed;
