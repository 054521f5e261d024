//! Batches over time: their sizes, their shapes, and how much of each is old data.

pub mod adaptive_batch;
mod batch_sizes;
pub mod multigrid;
mod replay;

pub use batch_sizes::{BatchSizes, LiveBatchSize};
pub use replay::Replay;
