//! The methods, one file each.

mod der;
mod der_plus_plus;
mod er;
mod er_ace;
mod ewc;
mod lwf;
mod replay;

pub use der::{Der, DerConfig};
pub use der_plus_plus::{DerPlusPlus, DerPlusPlusConfig};
pub use er::{Er, ErConfig};
pub use er_ace::{ErAce, ErAceConfig};
pub use ewc::{Ewc, EwcConfig};
pub use lwf::{Lwf, LwfConfig};
pub use replay::Fill;
