//! Experiments of `regimen-unlearning`.

// systems:begin

pub mod datamodel_matching;
pub mod ssd;

// systems:end
