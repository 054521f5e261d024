//! Objectives that are learned: networks whose output is an agent's loss, found by evolution over complete lifetimes.
//!
//! [`OpenEs`] searches the parameters of any rule that turns experience into updates; what one candidate is worth is a user's own
//! [`Lifetimes`]. [`Lpg`] and [`Drift`] are two such rules as Burn modules, each with and without the lifetime as an input; [`flat`] and
//! [`with_flat`] join them to the search.

mod adam;
#[cfg(feature = "burn")]
mod drift;
#[cfg(feature = "burn")]
mod flat;
mod lifetime;
#[cfg(feature = "burn")]
mod lpg;
mod open_es;
mod shaping;

#[cfg(feature = "burn")]
pub use drift::{Drift, DriftConfig};
#[cfg(feature = "burn")]
pub use flat::{flat, with_flat};
pub use lifetime::{Horizons, Lifetime, Lifetimes};
#[cfg(feature = "burn")]
pub use lpg::{Experience, Lpg, LpgConfig, LpgTargets};
pub use open_es::{OpenEs, OpenEsConfig};
pub use shaping::{Shaping, Ties};
