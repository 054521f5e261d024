//! Experiments of `regimen-continual`.

// systems:begin

pub mod unified_continual_refresh;

// systems:end

pub mod bed;
