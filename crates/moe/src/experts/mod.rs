//! The experts: feed-forward networks of one shape.

mod activation;
mod feed_forward;
mod wide;

pub use activation::Activation;
#[cfg(feature = "flex")]
pub(crate) use activation::SQRT_2_OVER_PI;
pub(crate) use feed_forward::Body;
pub use feed_forward::Experts;
#[cfg(feature = "flex")]
pub(crate) use feed_forward::Weights;
pub(crate) use wide::wide;
