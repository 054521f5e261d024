//! Which examples an epoch trains on: by their losses, or at random to compare with.

mod draw;
pub mod infobatch;
pub mod kmeans;
mod part;
pub mod random;
mod scores;
pub mod seta;

pub use infobatch::{InfoBatch, InfoBatchConfig};
pub use random::{DynamicRandom, StaticSubset, Uniform};
pub use seta::{Seta, SetaConfig};
