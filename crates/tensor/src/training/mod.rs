//! What the methods that train have in common: gradients of one device or of several, which copy of a model counts a
//! step, and the errors of steps.

mod failures;
mod gradients;
mod replicas;

pub use failures::{Call, Failures, Severity, StepError};
pub use gradients::Gradients;
pub use replicas::Replicas;
