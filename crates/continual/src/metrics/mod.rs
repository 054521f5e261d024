//! How well it is kept: the matrix of accuracies, what accumulates over long sequences, and what is counted beside it.

mod accumulation;
mod compute;
#[cfg(feature = "plot")]
mod picture;

pub use accumulation::Accumulation;
pub use compute::Compute;
#[cfg(feature = "burn")]
pub use compute::vector_bytes;
#[cfg(feature = "plot")]
pub use picture::picture;
pub use regimen_tensor::AccuracyMatrix;
