//! How tokens reach their experts, and the record of it.

mod config;
mod places;
mod plan;
mod routing;

pub use config::{Capacity, Dispatch, DropOrder, capacity};
pub(crate) use places::Places;
pub(crate) use plan::Plan;
pub use routing::Routing;
