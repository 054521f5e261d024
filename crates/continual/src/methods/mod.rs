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
mod mir;
mod replay;

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
pub use mir::{Mir, MirConfig};
pub use replay::Fill;
