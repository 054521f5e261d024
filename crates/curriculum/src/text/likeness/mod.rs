//! Likeness to target tasks: which documents of a large pool are near to examples of what a model shall be able to do.

pub mod aggregation;
pub mod classifier;
mod hashing;
pub mod keep_rate;
mod radix;
mod ranks;
pub mod score;
pub mod selection;
mod sums;
pub mod target_vectors;
pub mod targets;
mod vectors;

pub use aggregation::Aggregation;
pub use classifier::{TextClassifier, TextClassifierConfig};
pub use keep_rate::KeepRate;
pub use score::{Likeness, LikenessConfig};
pub use selection::{Scored, Selection, Threshold};
#[cfg(feature = "arrow")]
pub(in crate::text) use target_vectors::ROWS_AT_ONCE;
pub use target_vectors::TargetVectors;
pub use targets::{balanced, centroid, centroids};
pub use vectors::Vectors;

#[cfg(test)]
mod simulator;
