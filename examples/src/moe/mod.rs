//! Experiments of `regimen-moe`.

pub mod load_balancing_loss;
pub mod moe_pathways;
