//! Experiments of `regimen-rl-rewards`.

pub mod exploratory_annealed_decoding;
