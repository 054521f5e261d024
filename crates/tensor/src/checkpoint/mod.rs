//! # checkpoint
//!
//! Everything that a run keeps, saved and restored as one.
//!
//! Source: Regimen's own.

mod part;

pub use part::{Part, PartError, json};
