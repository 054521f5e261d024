#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod attribution;
mod classifier;
mod error;
mod gradients;
mod likelihoods;
pub mod methods;
pub mod metrics;
mod predictions;
pub mod report;
pub mod request;

pub use attribution::{
    Attributed, Datamodel, Matching, MatchingConfig, MatchingLoss, Outputs, Subsets, SubsetsConfig,
    Trak, TrakConfig, simulated_oracle,
};
pub use classifier::{Classifier, Prepared};
pub use error::{Result, UnlearningError};
pub use likelihoods::Likelihoods;
pub use methods::edit::{Dampened, FisherForgetting, FisherForgettingConfig, Ssd, SsdConfig};
pub use methods::train::{EpochLog, Method, Order, Unlearn, UnlearnConfig, relabel};
pub use metrics::{Klom, KlomConfig, KlomSummary, membership_inference};
pub use predictions::{Predictions, token_log_probabilities};
pub use report::{Evidence, ForgettingReport, KlomMeans, Models, ReportConfig};
pub use request::{ForgetRequest, Ledger, Split};
