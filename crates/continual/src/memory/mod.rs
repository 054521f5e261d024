//! What is kept of earlier examples.

mod add;
mod bytes;
mod capacity;
mod cell;
mod check;
mod class_balanced;
mod frequency_replay;
mod herded;
mod kept;
mod loss_aware;
mod memory_config;
mod policy;
#[cfg(feature = "burn")]
mod refused;
#[cfg(feature = "burn")]
mod replay_batches;
#[cfg(feature = "burn")]
mod replay_config;
#[cfg(feature = "burn")]
mod replay_loader;
#[cfg(feature = "burn")]
mod replay_part;
#[cfg(feature = "burn")]
mod replay_source;
mod reservoir;
mod ring;
mod shared_memory;
mod sorted;
mod store;

pub use bytes::Bytes;
pub use capacity::Capacity;
pub use frequency_replay::{FrequencyReplay, FrequencyReplayConfig, WhichClasses};
pub use herded::herding;
pub use kept::Kept;
pub use memory_config::MemoryConfig;
pub use policy::{Groups, Policy};
#[cfg(feature = "burn")]
pub(crate) use refused::Refused;
#[cfg(feature = "burn")]
pub use replay_config::ReplayLoaderConfig;
#[cfg(feature = "burn")]
pub use replay_loader::ReplayLoader;
pub use shared_memory::SharedMemory;
pub use store::Memory;
