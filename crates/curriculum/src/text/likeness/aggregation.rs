//! # Aggregation
//!
//! From the ranks of a document under each target to its score
//!
//! Source: BETR, arXiv 2507.12466

use serde::{Deserialize, Serialize};

/// From the ranks `r` of a document under each target, the best 1, to its score. Higher is better.
///
/// | aggregation | score | rewards |
/// |---|---|---|
/// | `Max` | `log2(1 / r)` of its best rank | being the best for one target |
/// | `MeanLog` | mean of `log2(1 / r)` | being good for all |
/// | `MeanReciprocal` | mean of `1 / r` | what lies in between |
/// | `MeanCosine` | mean of the cosines, without ranks | being near to the middle of the targets |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Aggregation {
    /// The best rank: any falling value of a rank gives the same order.
    #[default]
    Max,
    /// The mean of `log2(1 / r)`.
    MeanLog,
    /// The mean of `1 / r`.
    MeanReciprocal,
    /// The mean cosine.
    MeanCosine,
}
