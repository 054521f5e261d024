//! The methods, one file each.

mod ewc;
mod gpm;
mod ogd;
mod pack_net;

pub use ewc::{Ewc, EwcConfig};
pub use gpm::{Gpm, GpmConfig};
pub use ogd::{Ogd, OgdConfig};
pub use pack_net::{PackNet, PackNetConfig};
