//! # RefinementConfig
//!
//! Ever cheaper clusters as long as what has to be predicted becomes more alike within them.
//!
//! Source: "Scalable and Equitable Math Problem Solving Strategy Prediction in Big Educational Data", arXiv 2308.03892: coarse-to-fine refinement

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::clusters::Clusters;
use super::dp_means::DpMeansConfig;
use super::points::Points;
use crate::error::{CurriculumError, Result, check, count};

/// How the price of a cluster falls from round to round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// From this price down by one at a time, and not below the other: 9 and 6 in the released code, on the scale of its own vectors.
    Down {
        /// The first price.
        from: f64,
        /// The last one.
        to: f64,
    },
    /// From the largest squared distance to the mean, which gives one cluster, divided by this factor, above 1 (1.5 to 4), each time.
    Divide(f64),
}

/// Settings of a refinement.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `step` | | how the price falls |
/// | `clusters` | `DpMeansConfig::new(1.0)` | the other settings of DP-means |
/// | `rounds` | 30 | rounds at most, 1 to 1,000 |
/// | `patience` | 1 | rounds without a new best score before the end, 1 or more; 1 in the released code |
/// | `most` | none | ends ahead of the first round with more clusters: a budget over it is the fewest draws of a cluster |
/// | `fixed` | none | stops at the first round with so many clusters, whatever the score |
///
/// A round that leaves the clusters as they were tells nothing and does not count as one without a new best. The agreement of labels
/// can rise until clusters are pairs of near neighbours: give `most` where draws are few.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct RefinementConfig {
    step: Step,
    clusters: DpMeansConfig,
    rounds: usize,
    patience: usize,
    most: Option<usize>,
    fixed: Option<usize>,
}

checked_serde!(RefinementConfig);

impl Checked for RefinementConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.clusters.check()?;
        match self.step {
            Step::Down { from, to } => {
                let good = to > 0.0 && from >= to && from <= 1e300;
                check("from", from, good, "`to` or more, and that above 0")?;
            }
            Step::Divide(factor) => {
                let good = factor > 1.0 && factor <= 1e6;
                check("factor", factor, good, "above 1, up to 1000000")?;
            }
        }
        let some = (1..=1000).contains(&self.rounds);
        count("rounds", self.rounds, some, "1 to 1000")?;
        count("patience", self.patience, self.patience > 0, "1 or more")?;
        for (field, value) in [("most", self.most), ("fixed", self.fixed)] {
            let value = value.unwrap_or(1);
            let some = (1..=1 << 20).contains(&value);
            count(field, value, some, "1 to 1048576 (2^20)")?;
        }
        Ok(())
    }
}

/// One round of a refinement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// The price of a cluster.
    pub lambda: f64,
    /// Clusters that it gave.
    pub clusters: usize,
    /// What they scored.
    #[serde(with = "regimen_tensor::floats")]
    pub score: f64,
}

/// What a refinement found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refinement {
    /// The clusters of the best score, or those of the fixed number.
    pub clusters: Clusters,
    /// The price that gave them.
    pub lambda: f64,
    /// All rounds.
    pub rounds: Vec<Round>,
}

impl RefinementConfig {
    /// With prices that fall so.
    #[must_use]
    pub fn new(step: Step) -> Self {
        Self {
            step,
            clusters: DpMeansConfig::new(1.0),
            rounds: 30,
            patience: 1,
            most: None,
            fixed: None,
        }
    }

    /// Other settings of DP-means; its `lambda` is not used.
    #[must_use]
    pub fn with_clusters(mut self, clusters: DpMeansConfig) -> Self {
        self.clusters = clusters;
        self
    }

    /// Rounds at most.
    #[must_use]
    pub fn with_rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Rounds without a new best score before the end.
    #[must_use]
    pub fn with_patience(mut self, patience: usize) -> Self {
        self.patience = patience;
        self
    }

    /// Ends ahead of the first round with more clusters; the first round counts whatever it has.
    #[must_use]
    pub fn with_most(mut self, clusters: usize) -> Self {
        self.most = Some(clusters);
        self
    }

    /// Stops at the first round with so many clusters or more.
    #[must_use]
    pub fn with_fixed(mut self, clusters: usize) -> Self {
        self.fixed = Some(clusters);
        self
    }

    /// Refines by a score of clusters, larger for more homogeneous ones: [`label_agreement`](super::label_agreement) for any data,
    /// [`mean_over_clusters`](super::mean_over_clusters) of alignments and attentions in the paper. It is of what has to be predicted, never part
    /// of the points.
    ///
    /// ```
    /// use regimen_curriculum::ability::mastery::{Points, RefinementConfig, Step, label_agreement};
    ///
    /// let points = Points::of_rows(&[[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]])?;
    /// let labels = [0, 0, 0, 1, 1, 1];
    /// let config = RefinementConfig::new(Step::Divide(4.0));
    /// let found = config.refine(&points, |clusters| label_agreement(&clusters.assignment, &labels))?;
    /// assert_eq!(found.clusters.assignment, labels);
    /// # Ok::<(), regimen_curriculum::CurriculumError>(())
    /// ```
    ///
    /// # Errors
    /// If a setting lies outside its range, or the first centre's point is not there.
    pub fn refine(
        &self,
        points: &Points,
        mut score: impl FnMut(&Clusters) -> f64,
    ) -> Result<Refinement> {
        self.check()?;
        let radius = points.radius_squared().max(f64::MIN_POSITIVE);
        let mut rounds: Vec<Round> = Vec::new();
        let mut best: Option<(Clusters, f64, f64)> = None;
        let mut last: Option<Vec<usize>> = None;
        let mut without = 0;
        while rounds.len() < self.rounds {
            let place = rounds.len() as f64;
            let lambda = match self.step {
                Step::Down { from, .. } => from - place,
                Step::Divide(factor) => (radius / factor.powf(place)).max(f64::MIN_POSITIVE),
            };
            if matches!(self.step, Step::Down { to, .. } if lambda < to && place > 0.0) {
                break;
            }
            let clusters = self.clusters.clone().with_lambda(lambda).fit(points)?;
            if best.is_some() && self.most.is_some_and(|most| clusters.len() > most) {
                break;
            }
            let found = score(&clusters);
            rounds.push(Round {
                lambda,
                clusters: clusters.len(),
                score: found,
            });
            let is_new = last.as_ref() != Some(&clusters.assignment);
            last = Some(clusters.assignment.clone());
            if let Some(fixed) = self.fixed {
                let ends = clusters.len() >= fixed;
                best = Some((clusters, lambda, found));
                if ends {
                    break;
                }
                continue;
            }
            let is_better = best.as_ref().is_none_or(|(.., before)| found > *before);
            if is_better {
                best = Some((clusters, lambda, found));
                without = 0;
            } else if is_new {
                without += 1;
                if without >= self.patience {
                    break;
                }
            }
        }
        let Some((clusters, lambda, _)) = best else {
            return Err(CurriculumError::TooFew {
                field: "rounds",
                found: 0,
                needed: 1,
            });
        };
        Ok(Refinement {
            clusters,
            lambda,
            rounds,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn prices_that_are_divided_by_four() {
        let rows = [0.0, 0.1, 0.2, 1.0, 1.1, 5.0].map(|x| [x]);
        let points = Points::of_rows(&rows).unwrap();
        assert!((points.radius_squared() - 14.187_78).abs() < 1e-4);
        let config = RefinementConfig::new(Step::Divide(4.0)).with_rounds(7);
        let mut count = 0.0;
        let rising = config.refine(&points, |_| {
            count += 1.0;
            count
        });
        let rounds = rising.unwrap().rounds;
        let counts: Vec<usize> = rounds.iter().map(|round| round.clusters).collect();
        assert_eq!(counts, [1, 2, 3, 3, 3, 4, 6]);
        // The same clusters twice are no round without a rise.
        let score = |clusters: &Clusters| match clusters.len() {
            6 => 0.0,
            many => many as f64,
        };
        let found = config.refine(&points, score).unwrap();
        assert_eq!((found.clusters.len(), found.rounds.len()), (4, 7));
        let falls = config.refine(&points, |clusters| -(clusters.len() as f64));
        let falls = falls.unwrap();
        assert_eq!((falls.clusters.len(), falls.rounds.len()), (1, 2));
        let most = config.clone().with_most(3).refine(&points, score).unwrap();
        assert_eq!((most.clusters.len(), most.rounds.len()), (3, 5));
        assert!(config.clone().with_most(0).refine(&points, score).is_err());
        let fixed = config.with_fixed(3).refine(&points, |_| 0.0).unwrap();
        assert_eq!((fixed.clusters.len(), fixed.rounds.len()), (3, 3));
    }

    #[test]
    fn prices_that_fall_by_one() {
        let rows = [[0.0], [2.7], [9.0]];
        let points = Points::of_rows(&rows).unwrap();
        let config = RefinementConfig::new(Step::Down { from: 9.0, to: 6.0 });
        let mut count = 0.0;
        let found = config.refine(&points, |_| {
            count += 1.0;
            count
        });
        let prices: Vec<f64> = found.unwrap().rounds.iter().map(|one| one.lambda).collect();
        assert_eq!(prices, [9.0, 8.0, 7.0, 6.0]);
        assert!(
            RefinementConfig::new(Step::Divide(1.0))
                .refine(&points, |_| 0.0)
                .is_err()
        );
        let upside = RefinementConfig::new(Step::Down { from: 5.0, to: 6.0 });
        assert!(upside.refine(&points, |_| 0.0).is_err());
    }
}
