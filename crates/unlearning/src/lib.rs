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
mod part;
mod predictions;
mod projected;
pub mod report;
pub mod request;
mod watched;

pub use attribution::{
    Attributed, Datamodel, Matching, MatchingConfig, MatchingLoss, Outputs, Subsets, SubsetsConfig,
    Trak, TrakConfig, simulated_oracle,
};
pub use classifier::Classifier;
pub use error::{Result, UnlearningError};
pub use likelihoods::Likelihoods;
pub use methods::edit::{
    Change, Dampened, Edited, FisherForgetting, FisherForgettingConfig, Ssd, SsdConfig,
};
pub use methods::train::{EpochLog, Method, Order, Unlearn, UnlearnConfig, relabel};
pub use metrics::{Klom, KlomConfig, KlomSummary, membership_inference};
pub use predictions::{Predictions, token_log_probabilities};
pub use projected::Projected;
pub use regimen_tensor::Prepared;
pub use report::{Evidence, ForgettingReport, KlomMeans, Models, ReportConfig};
pub use request::{ForgetRequest, Ledger, Split};
