//! Experiments of `regimen-curriculum`.

// systems:begin

pub mod adaptive_batch;
pub mod betr;
pub mod data_mixing_agent;
pub mod gpicl;
pub mod mastery_clusters;
pub mod mbtl;
pub mod multigrid;
pub mod pudf_irt;
pub mod robust_active_learning;
pub mod seta;
pub mod shot_selection;

// systems:end

mod bed;
