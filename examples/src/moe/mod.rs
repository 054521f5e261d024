//! Experiments of `regimen-moe`.

// systems:begin

pub mod load_balancing_loss;
pub mod moe_pathways;

// systems:end
