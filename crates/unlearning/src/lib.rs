#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod bad_teacher;
pub mod datamodel;
pub mod datamodel_score;
mod error;
pub mod fisher_forgetting;
pub mod gradient_ascent;
pub mod group_attribution;
pub mod klom;
pub mod lfssd;
pub mod matching;
pub mod metrics;
pub mod relabel;
pub mod split;
pub mod ssd;
pub mod subsets;
pub mod trak;

pub use datamodel::{Datamodel, Outputs};
pub use error::{Result, UnlearningError};
pub use fisher_forgetting::{FisherForgetting, FisherForgettingConfig};
pub use klom::{Klom, KlomConfig, KlomSummary};
pub use matching::{Matching, MatchingConfig, simulated_oracle};
pub use metrics::membership_inference;
pub use relabel::relabel;
pub use split::Split;
pub use ssd::{Dampened, Ssd, SsdConfig};
pub use subsets::{Subsets, SubsetsConfig};
pub use trak::{Attributed, Trak, TrakConfig};
