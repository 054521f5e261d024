//! Clusters of examples that behave alike, and equal draws from them: a small sample in which rare groups have their share.

mod agreement;
mod centres;
mod clusters;
mod dp_means;
mod draw;
mod graph;
mod pairs;
mod points;
mod refine;
mod sequences;
mod word_vectors;

pub use agreement::{label_agreement, mean_over_clusters};
pub use centres::{KMeansConfig, farthest_first};
pub use clusters::Clusters;
pub use dp_means::{DpMeansConfig, DpRule, FirstCentre};
pub use draw::{ClusterDraws, ClusterDrawsConfig, equal_draws};
pub use graph::{Node2Vec, blend};
pub use pairs::{PairSampleConfig, PairedSample};
pub use points::Points;
pub use refine::{Refinement, RefinementConfig, Round, Step};
pub use sequences::{alignment, attention_similarity, in_order, jaccard, positions};
pub use word_vectors::WordVectorsConfig;

#[cfg(test)]
mod simulator;
