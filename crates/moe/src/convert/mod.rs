//! Dense networks to mixtures and back.

mod upcycling;

pub use upcycling::{Dense, UpcycleConfig, merge};
