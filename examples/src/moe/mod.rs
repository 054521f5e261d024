//! Experiments of `regimen-moe`.

pub mod moe_pathways;
