//! Instructions that a program can check.

mod constraint;
mod instructions;
mod language;
mod layout;
mod words;

pub use constraint::{Constraint, Quantifier};
pub use instructions::Instructions;
