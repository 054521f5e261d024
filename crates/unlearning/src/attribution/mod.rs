//! What training points do to outputs, and forgetting by that knowledge.

mod datamodel;
pub mod datamodel_score;
pub mod group_attribution;
mod margins;
mod matching;
mod outputs;
mod subsets;
mod trak;

pub use datamodel::Datamodel;
pub use margins::margins;
pub use matching::{Matching, MatchingConfig, MatchingLoss, simulated_oracle};
pub use outputs::Outputs;
pub use subsets::{Subsets, SubsetsConfig};
pub use trak::{Attributed, Trak, TrakConfig};
