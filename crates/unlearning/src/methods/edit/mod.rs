//! Methods that edit the weights without an optimizer.

mod fisher_forgetting;
mod layers;
pub mod lfssd;
mod ssd;
pub mod task_vector;

pub use fisher_forgetting::{FisherForgetting, FisherForgettingConfig};
pub use ssd::{Dampened, Ssd, SsdConfig};
