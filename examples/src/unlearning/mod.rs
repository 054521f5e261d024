//! Experiments of `regimen-unlearning`.

pub mod datamodel_matching;
pub mod ssd;
