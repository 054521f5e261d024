//! Experiments of `regimen-curriculum`.

// systems:begin

pub mod seta;

// systems:end
