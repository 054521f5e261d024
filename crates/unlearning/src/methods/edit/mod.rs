//! Methods that edit the weights without an optimizer.

mod change;
mod fisher_forgetting;
mod layers;
pub mod lfssd;
mod ssd;
pub mod task_vector;

pub use change::{Change, Edited};
pub use fisher_forgetting::{FisherForgetting, FisherForgettingConfig};
pub use ssd::{Dampened, Ssd, SsdConfig};
