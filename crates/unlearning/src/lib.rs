#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod bad_teacher;
mod classifier;
pub mod datamodel;
pub mod datamodel_score;
pub mod divergence;
mod error;
pub mod fisher_forgetting;
pub mod gradient_ascent;
pub mod group_attribution;
pub mod klom;
pub mod lfssd;
pub mod matching;
pub mod metrics;
pub mod optimise;
pub mod relabel;
pub mod report;
pub mod request;
pub mod split;
pub mod ssd;
pub mod subsets;
pub mod trak;

pub use classifier::{Classifier, Prepared};
pub use datamodel::{Datamodel, Outputs};
pub use error::{Result, UnlearningError};
pub use fisher_forgetting::{FisherForgetting, FisherForgettingConfig};
pub use klom::{Klom, KlomConfig, KlomSummary};
pub use matching::{Matching, MatchingConfig, MatchingLoss, simulated_oracle};
pub use metrics::membership_inference;
pub use optimise::{EpochLog, Method, Order, Unlearn, UnlearnConfig};
pub use relabel::relabel;
pub use report::{Evidence, ForgettingReport, KlomMeans, Models, ReportConfig};
pub use request::{ForgetRequest, Ledger};
pub use split::Split;
pub use ssd::{Dampened, Ssd, SsdConfig};
pub use subsets::{Subsets, SubsetsConfig};
pub use trak::{Attributed, Trak, TrakConfig};
