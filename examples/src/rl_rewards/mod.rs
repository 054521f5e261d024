//! Experiments of `regimen-rl-rewards`.

// systems:begin

pub mod exploratory_annealed_decoding;
pub mod rise;
pub mod unified_post_training;

// systems:end

pub mod bed;
