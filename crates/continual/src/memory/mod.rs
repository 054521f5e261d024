//! What is kept of earlier examples.

mod add;
mod bytes;
mod capacity;
mod cell;
mod check;
mod class_balanced;
mod herded;
mod kept;
mod loss_aware;
mod memory_config;
mod policy;
mod reservoir;
mod ring;
mod sorted;
mod store;

pub use bytes::Bytes;
pub use capacity::Capacity;
pub use herded::herding;
pub use kept::Kept;
pub use memory_config::MemoryConfig;
pub use policy::{Groups, Policy};
pub use store::Memory;
