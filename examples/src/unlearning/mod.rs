//! Experiments of `regimen-unlearning`.

pub mod ssd;
