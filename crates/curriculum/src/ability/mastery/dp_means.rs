//! # DpMeansConfig
//!
//! Clusters whose number follows from the price of one: the more homogeneous they must be, the more there are.
//!
//! Source: Kulis and Jordan 2012, "Revisiting k-means: New Algorithms via Bayesian Nonparametrics"; as mastery-guided clustering uses it, arXiv
//! 2308.03892, and its released code

use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::clusters::{Clusters, means};
use super::points::{Points, nearest, squared};
use crate::error::{CurriculumError, Result, check, count};

/// What is compared with `lambda`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DpRule {
    /// The squared distance to the nearest centre, as published.
    #[default]
    Squared,
    /// The distance itself, as the released code of mastery-guided clustering: the squared rule with `lambda^2`.
    Unsquared,
}

/// Where the first cluster is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstCentre {
    /// At the mean of all points.
    #[default]
    Mean,
    /// At the point of this place; the released code draws one at random.
    Point(usize),
}

/// Settings of DP-means: `sum_i |x_i - mu_(z_i)|^2 + lambda k` is brought down.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `lambda` | | the price of a cluster, above 0: a point farther from all centres opens one |
/// | `rule` | `Squared` | whether the squared distance is compared with `lambda`; else the price of a cluster is `lambda^2` |
/// | `first` | `Mean` | the first centre |
/// | `sweeps` | 100 | sweeps at most, 1 or more; 10 in the released code |
/// | `most` | 4096 | clusters at most, 1 to 2^20: then none is opened any more |
///
/// A sweep goes through the points in their order, which matters: shuffle them once. A point opens a cluster at itself, which later points of the
/// same sweep may join. Then means are taken, and clusters without points are dropped.
///
/// ```
/// use regimen_curriculum::ability::mastery::{DpMeansConfig, Points};
///
/// let points = Points::of_rows(&[[0.0, 0.0], [0.0, 1.0], [10.0, 0.0], [10.0, 1.0], [5.0, 8.0]])?;
/// let clusters = DpMeansConfig::new(20.0).fit(&points)?;
/// assert_eq!(clusters.assignment, [0, 0, 1, 1, 2]);
/// assert_eq!(clusters.cost, 61.0);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct DpMeansConfig {
    lambda: f64,
    rule: DpRule,
    first: FirstCentre,
    sweeps: usize,
    most: usize,
}

checked_serde!(DpMeansConfig);

impl Checked for DpMeansConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let good = self.lambda > 0.0 && self.lambda <= 1e300;
        check("lambda", self.lambda, good, "above 0, up to 1e300")?;
        let some = (1..=1_000_000).contains(&self.sweeps);
        count("sweeps", self.sweeps, some, "1 to 1000000")?;
        let some = (1..=1 << 20).contains(&self.most);
        count("most", self.most, some, "1 to 1048576 (2^20)")
    }
}

impl DpMeansConfig {
    /// With this price of a cluster.
    #[must_use]
    pub fn new(lambda: f64) -> Self {
        Self {
            lambda,
            rule: DpRule::Squared,
            first: FirstCentre::Mean,
            sweeps: 100,
            most: 4096,
        }
    }

    /// Another price of a cluster.
    #[must_use]
    pub fn with_lambda(mut self, lambda: f64) -> Self {
        self.lambda = lambda;
        self
    }

    /// What is compared with the price.
    #[must_use]
    pub fn with_rule(mut self, rule: DpRule) -> Self {
        self.rule = rule;
        self
    }

    /// Where the first cluster is.
    #[must_use]
    pub fn with_first(mut self, first: FirstCentre) -> Self {
        self.first = first;
        self
    }

    /// Sweeps at most.
    #[must_use]
    pub fn with_sweeps(mut self, sweeps: usize) -> Self {
        self.sweeps = sweeps;
        self
    }

    /// Clusters at most.
    #[must_use]
    pub fn with_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// The clusters of these points.
    ///
    /// # Errors
    /// If a setting lies outside its range, or the first centre's point is not there.
    pub fn fit(&self, points: &Points) -> Result<Clusters> {
        self.fit_watched(points, &Watch::default())
    }

    /// [`fit`](Self::fit), reporting each sweep. Work that is stopped gives the clusters of the sweeps so far.
    ///
    /// # Errors
    /// As for [`fit`](Self::fit).
    #[tracing::instrument(skip_all, name = "dp-means", fields(points = points.len(), lambda = self.lambda))]
    pub fn fit_watched(&self, points: &Points, watch: &Watch) -> Result<Clusters> {
        self.check()?;
        let mut centres = match self.first {
            FirstCentre::Mean => vec![points.mean()],
            FirstCentre::Point(place) => {
                let there = place < points.len();
                count("first", place, there, "below the number of points")?;
                vec![points.row(place).to_vec()]
            }
        };
        let price = match self.rule {
            DpRule::Squared => self.lambda,
            DpRule::Unsquared => (self.lambda * self.lambda).min(1e300),
        };
        let mut assignment: Vec<usize> = Vec::new();
        let mut sweeps = 0;
        while sweeps < self.sweeps {
            let mut next = Vec::with_capacity(points.len());
            for row in points.rows() {
                let (mut cluster, distance) = nearest(row, &centres);
                if distance > price && centres.len() < self.most {
                    cluster = centres.len();
                    centres.push(row.to_vec());
                }
                next.push(cluster);
            }
            sweeps += 1;
            let found = means(points, &next, centres.len());
            let mut names = Vec::with_capacity(found.len());
            centres.clear();
            for mean in found {
                names.push(centres.len());
                centres.extend(mean);
            }
            next.iter_mut()
                .for_each(|cluster| *cluster = names[*cluster]);
            let rests = next == assignment;
            assignment = next;
            if rests || !watch.goes_on("dp-means", sweeps, self.sweeps) {
                break;
            }
        }
        let rows = points.rows().zip(&assignment);
        let spread: f64 = rows
            .map(|(row, cluster)| squared(row, &centres[*cluster]))
            .sum();
        Ok(Clusters {
            cost: (spread + price * centres.len() as f64).min(f64::MAX),
            centres,
            assignment,
            sweeps,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn five() -> Points {
        let rows = [[0.0, 0.0], [0.0, 1.0], [10.0, 0.0], [10.0, 1.0], [5.0, 8.0]];
        Points::of_rows(&rows).unwrap()
    }

    #[test]
    fn a_cheaper_cluster_makes_more_of_them() {
        let of = |lambda| DpMeansConfig::new(lambda).fit(&five()).unwrap();
        let one = of(1000.0);
        assert_eq!((one.len(), one.cost), (1, 1146.0));
        assert_eq!(one.centres, [[5.0, 2.0]]);
        assert_eq!((of(40.0).len(), of(40.0).cost), (1, 186.0));
        let three = of(20.0);
        assert_eq!(three.assignment, [0, 0, 1, 1, 2]);
        assert_eq!(three.centres, [[0.0, 0.5], [10.0, 0.5], [5.0, 8.0]]);
        assert_eq!(three.cost, 61.0);
        let all = of(0.4);
        assert_eq!((all.len(), all.cost), (5, 2.0));
        assert_eq!(three.members(), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(three.assign(&five()).unwrap(), three.assignment);
    }

    #[test]
    fn the_unsquared_rule_has_another_scale() {
        let of = |lambda| {
            let config = DpMeansConfig::new(lambda).with_rule(DpRule::Unsquared);
            let config = config.with_first(FirstCentre::Point(0));
            config.fit(&five()).unwrap()
        };
        assert_eq!(of(20.0).len(), 1);
        assert_eq!(of(9.0).assignment, [0, 0, 1, 1, 2]);
        let far = DpMeansConfig::new(1.0).with_first(FirstCentre::Point(5));
        assert!(far.fit(&five()).is_err());
    }

    #[test]
    fn clusters_at_most_and_sweeps_that_are_stopped() {
        let config = DpMeansConfig::new(0.4).with_most(2);
        assert_eq!(config.fit(&five()).unwrap().len(), 2);
        let watch = Watch::new().until(|| true);
        let stopped = DpMeansConfig::new(20.0).fit_watched(&five(), &watch);
        assert_eq!(stopped.unwrap().sweeps, 1);
    }

    proptest! {
        #[test]
        fn the_cost_never_rises_and_the_radius_makes_one(
            values in prop::collection::vec(-5.0_f64..5.0, 2..60),
            share in 0.01_f64..1.0,
        ) {
            let rows: Vec<[f64; 1]> = values.iter().map(|x| [*x]).collect();
            let points = Points::of_rows(&rows).unwrap();
            let radius = points.radius_squared().max(1e-9);
            let one = DpMeansConfig::new(radius * (1.0 + 1e-12)).fit(&points).unwrap();
            prop_assert_eq!(one.len(), 1);
            let mut before = f64::INFINITY;
            for sweeps in 1..8 {
                let config = DpMeansConfig::new(radius * share).with_sweeps(sweeps);
                let found = config.fit(&points).unwrap();
                prop_assert!(found.cost <= before + 1e-9);
                prop_assert!(found.members().iter().all(|of| !of.is_empty()));
                before = found.cost;
            }
        }
    }
}
