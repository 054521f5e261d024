//! The methods, one file each.

mod ewc;
mod lwf;

pub use ewc::{Ewc, EwcConfig};
pub use lwf::{Lwf, LwfConfig};
