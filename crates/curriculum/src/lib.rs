#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod batch_size;
mod draw;
mod error;
pub mod infobatch;
pub mod kmeans;
#[cfg(feature = "burn")]
pub mod loader;
pub mod random;
pub mod sampler;
mod scores;
pub mod seta;

pub use batch_size::{BatchSizes, LiveBatchSize};
pub use error::{CurriculumError, Result};
pub use infobatch::{InfoBatch, InfoBatchConfig};
#[cfg(feature = "burn")]
pub use loader::{CurriculumLoader, Feedback, LoaderState, Sample};
pub use random::{DynamicRandom, StaticSubset, Uniform};
pub use sampler::{EpochPlan, Sampler};
pub use seta::{Seta, SetaConfig};
