//! How the experts are computed.

#[cfg(feature = "flex")]
mod backward;
#[cfg(feature = "flex")]
mod curve;
mod dispatched;
#[cfg(feature = "flex")]
mod forward;
#[cfg(feature = "flex")]
#[allow(unreachable_pub, reason = "the trait of an extension is public")]
mod job;
#[cfg(feature = "flex")]
#[allow(unreachable_pub, reason = "the trait of an extension is public")]
mod operation;
mod placed;
#[cfg(feature = "flex")]
mod products;
mod run;
#[cfg(feature = "flex")]
mod workspace;

pub(crate) use dispatched::{dropless, with_capacity};
pub(crate) use placed::Dispatched;
#[cfg(feature = "flex")]
pub use workspace::release_workspace;
