//! The methods, one file each.

mod ewc;

pub use ewc::{Ewc, EwcConfig};
