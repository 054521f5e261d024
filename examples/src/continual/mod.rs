//! Experiments of `regimen-continual`.

// systems:begin

pub mod continual_survey;

// systems:end

pub mod bed;
