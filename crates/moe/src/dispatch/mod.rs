//! How tokens reach their experts, and the record of it.

mod config;
mod places;
mod plan;
mod ranks;
mod routing;

pub use config::{Capacity, Dispatch, DropGroup, DropOrder, capacity};
pub(crate) use places::{Blocks, Places};
pub(crate) use plan::Plan;
pub(crate) use ranks::{Ranks, earlier};
pub use routing::Routing;
