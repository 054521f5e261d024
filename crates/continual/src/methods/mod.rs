//! The methods, one file each.

mod der;
mod der_plus_plus;
mod er;
mod er_ace;
mod ewc;
mod gdumb;
mod gss;
mod icarl;
mod lucir;
mod lwf;
mod mas;
mod mir;
mod online_ewc;
mod path;
mod replay;
mod rwalk;
mod si;

pub use der::{Der, DerConfig};
pub use der_plus_plus::{DerPlusPlus, DerPlusPlusConfig};
pub use er::{Er, ErConfig};
pub use er_ace::{ErAce, ErAceConfig};
pub use ewc::{Ewc, EwcConfig};
pub use gdumb::{GDumb, GDumbConfig};
pub use gss::{Gss, GssConfig};
pub use icarl::{Icarl, IcarlConfig};
pub use lucir::{CosineClassifier, CosineLinear, CosineLinearConfig, Lucir, LucirConfig};
pub use lwf::{Lwf, LwfConfig};
pub use mas::{Mas, MasConfig};
pub use mir::{Mir, MirConfig};
pub use online_ewc::{OnlineEwc, OnlineEwcConfig};
pub use replay::Fill;
pub use rwalk::{RWalk, RWalkConfig};
pub use si::{Si, SiConfig};
mod a_gem;
mod episodes;
mod gem;
mod gpm;
mod ogd;
mod pack_net;

pub use a_gem::{AGem, AGemConfig};
pub use gem::{Gem, GemConfig};
pub use gpm::{Gpm, GpmConfig};
pub use ogd::{Ogd, OgdConfig};
pub use pack_net::{PackNet, PackNetConfig};
