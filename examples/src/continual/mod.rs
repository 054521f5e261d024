//! Experiments of `regimen-continual`.

// systems:begin
// systems:end

pub mod bed;
