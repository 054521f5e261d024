#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod bad_teacher;
mod error;
pub mod fisher_forgetting;
pub mod gradient_ascent;
pub mod lfssd;
pub mod metrics;
pub mod relabel;
pub mod split;
pub mod ssd;

pub use error::{Result, UnlearningError};
pub use fisher_forgetting::{FisherForgetting, FisherForgettingConfig};
pub use metrics::membership_inference;
pub use relabel::relabel;
pub use split::Split;
pub use ssd::{Dampened, Ssd, SsdConfig};
