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

/// Ranks from the best one on whose values are kept.
const MOST_KEPT: usize = 1 << 18;

/// The value of each rank: a logarithm costs more than the rank itself.
#[derive(Default)]
pub(super) struct RankValues {
    aggregation: Aggregation,
    kept: Vec<f64>,
}

impl RankValues {
    /// Of a mean over ranks up to `documents`.
    pub(super) fn new(aggregation: Aggregation, documents: usize) -> Self {
        let of = |rank: usize| value(aggregation, rank as u32);
        let kept = (0..documents.min(MOST_KEPT)).map(|before| of(before + 1));
        Self {
            aggregation,
            kept: kept.collect(),
        }
    }

    pub(super) fn of(&self, rank: u32) -> f64 {
        match self.kept.get((rank as usize).wrapping_sub(1)) {
            Some(value) => *value,
            None => value(self.aggregation, rank),
        }
    }
}

/// Of a mean over ranks.
fn value(aggregation: Aggregation, rank: u32) -> f64 {
    match aggregation {
        Aggregation::MeanReciprocal => f64::from(rank).recip(),
        _ => -f64::from(rank).log2(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_kept_are_those_that_are_not() {
        for aggregation in [Aggregation::MeanLog, Aggregation::MeanReciprocal] {
            let [few, all] = [2, 100].map(|documents| RankValues::new(aggregation, documents));
            for rank in 1..=100 {
                assert_eq!(few.of(rank).to_bits(), all.of(rank).to_bits());
            }
            assert_eq!(
                all.of(1),
                if aggregation == Aggregation::MeanLog {
                    0.0
                } else {
                    1.0
                }
            );
        }
    }
}
