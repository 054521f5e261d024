//! Experiments of `regimen-curriculum`.

pub mod seta;
