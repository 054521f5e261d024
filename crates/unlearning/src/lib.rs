#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod bad_teacher;
mod classifier;
pub mod divergence;
mod error;
pub mod fisher_forgetting;
pub mod gradient_ascent;
pub mod lfssd;
pub mod metrics;
pub mod optimise;
pub mod relabel;
pub mod report;
pub mod request;
pub mod split;
pub mod ssd;

pub use classifier::{Classifier, Prepared};
pub use error::{Result, UnlearningError};
pub use fisher_forgetting::{FisherForgetting, FisherForgettingConfig};
pub use metrics::membership_inference;
pub use optimise::{EpochLog, Method, Order, Unlearn, UnlearnConfig};
pub use relabel::relabel;
pub use report::{Evidence, ForgettingReport, Models, ReportConfig};
pub use request::{ForgetRequest, Ledger};
pub use split::Split;
pub use ssd::{Dampened, Ssd, SsdConfig};
