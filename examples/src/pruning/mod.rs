//! Experiments of `regimen-pruning`.

pub mod granet;
