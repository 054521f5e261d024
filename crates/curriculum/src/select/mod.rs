//! Which examples an epoch trains on: by their losses, or at random to compare with.

pub(crate) mod draw;
pub mod infobatch;
pub mod kmeans;
pub(crate) mod part;
pub mod random;
pub(crate) mod scores;
pub mod seta;

pub use infobatch::{InfoBatch, InfoBatchConfig};
pub use random::{DynamicRandom, StaticSubset, Uniform};
pub use seta::{Seta, SetaConfig};
