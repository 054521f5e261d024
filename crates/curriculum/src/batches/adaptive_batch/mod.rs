//! Batches that grow by a test of the gradients' noise.

mod accumulation;
mod batch;
mod batch_test;
#[cfg(feature = "burn")]
mod by_samples;
#[cfg(feature = "burn")]
mod moments;
mod statistics;

pub use accumulation::{MicroBatches, split};
pub use batch::{AdaptiveBatch, AdaptiveBatchConfig};
pub use batch_test::BatchTest;
#[cfg(feature = "burn")]
pub use by_samples::LrBySamples;
#[cfg(feature = "burn")]
pub use moments::GradientMoments;
pub use statistics::{GradientStatistics, combined_variance};
