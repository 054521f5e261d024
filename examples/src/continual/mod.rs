//! Experiments of `regimen-continual`.

// systems:begin

pub mod continual_survey;
pub mod fscil_tricks;
pub mod plasticity;
pub mod scole;
pub mod unified_continual_refresh;

// systems:end

pub mod bed;
