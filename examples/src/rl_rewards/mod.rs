//! Experiments of `regimen-rl-rewards`.

// systems:begin

pub mod exploratory_annealed_decoding;

// systems:end

pub mod bed;
