//! How tokens reach their experts, and the record of it.

mod by_gate;
mod config;
mod memory;
mod places;
mod plan;
mod ranks;
mod routing;

pub(crate) use by_gate::ranks_by_gate;
pub use config::{Capacity, Dispatch, DropGroup, DropOrder, capacity};
pub(crate) use memory::Memory;
pub(crate) use places::{Blocks, Places};
pub(crate) use plan::Plan;
pub(crate) use ranks::{Ranks, earlier};
pub use routing::Routing;
