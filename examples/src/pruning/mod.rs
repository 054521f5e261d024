//! Experiments of `regimen-pruning`.

pub mod continual_dst;
pub mod granet;
pub mod peers;
