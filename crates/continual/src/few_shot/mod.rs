//! Few-shot class-incremental learning: many base classes once, then sessions of a few new classes with a few examples each.
//!
//! The parts stand alone as functions and small types; [`FewShotConfig`] joins them.

#[cfg(feature = "burn")]
mod augment;
#[cfg(feature = "burn")]
mod base;
#[cfg(feature = "burn")]
mod config;
#[cfg(feature = "burn")]
mod net;
#[cfg(feature = "burn")]
mod prototypes;
#[cfg(feature = "burn")]
mod pseudo;
mod sessions;
#[cfg(feature = "burn")]
mod simplex;
#[cfg(feature = "burn")]
mod sub_net;
#[cfg(feature = "burn")]
mod sup_con;
#[cfg(feature = "burn")]
mod tricks;

#[cfg(feature = "burn")]
pub use augment::Augment;
#[cfg(feature = "burn")]
pub use config::{Contrast, FewShotConfig, Simplex, Tuning};
#[cfg(feature = "burn")]
pub use net::{Backbone, FewShotNet};
#[cfg(feature = "burn")]
pub use prototypes::{Prototypes, PrototypesConfig};
#[cfg(feature = "burn")]
pub use pseudo::PseudoClasses;
pub use sessions::{Sessions, harmonic_mean};
#[cfg(feature = "burn")]
pub use simplex::{dot_regression, simplex_etf};
#[cfg(feature = "burn")]
pub use sub_net::{SubNet, SubNetConfig};
#[cfg(feature = "burn")]
pub use sup_con::{nt_xent, supervised_contrastive};
#[cfg(feature = "burn")]
pub use tricks::FewShot;
