//! The methods, one file each.

mod ewc;
mod mas;
mod online_ewc;
mod path;
mod rwalk;
mod si;

pub use ewc::{Ewc, EwcConfig};
pub use mas::{Mas, MasConfig};
pub use online_ewc::{OnlineEwc, OnlineEwcConfig};
pub use rwalk::{RWalk, RWalkConfig};
pub use si::{Si, SiConfig};
