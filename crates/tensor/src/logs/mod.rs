//! Logs of a run that stay on the device: scalars, such as losses, and gradient norms.

mod gradient_norms;
mod scalar_log;

pub use gradient_norms::{GradientNorms, Norm};
pub use scalar_log::ScalarLog;
