//! The methods, one file each.

mod a_gem;
mod episodes;
mod ewc;
mod gem;
mod gpm;
mod ogd;
mod pack_net;

pub use a_gem::{AGem, AGemConfig};
pub use ewc::{Ewc, EwcConfig};
pub use gem::{Gem, GemConfig};
pub use gpm::{Gpm, GpmConfig};
pub use ogd::{Ogd, OgdConfig};
pub use pack_net::{PackNet, PackNetConfig};
