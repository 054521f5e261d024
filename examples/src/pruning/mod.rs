//! Experiments of `regimen-pruning`.

// systems:begin

pub mod continual_dst;
pub mod granet;

// systems:end

pub mod peers;
