//! Logs of a run that stay on the device: scalars, such as losses, and gradient norms.
//!
//! Both hold one entry for each update of the optimizer, however many micro-batches and devices it took.

mod gradient_norms;
mod scalar_log;
mod updates;

pub use gradient_norms::{GradientNorms, Norm};
pub use scalar_log::ScalarLog;
