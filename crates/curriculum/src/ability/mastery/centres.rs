//! # KMeansConfig, farthest_first
//!
//! What clusters of mastery are compared with: as many clusters by k-means, and examples that lie far from each other.
//!
//! Source: Lloyd 1982 with the seeding of Arthur and Vassilvitskii 2007 (k-means++); Gonzalez 1985 (farthest-first traversal), as Sener and Savarese
//! 2018 select examples, arXiv 1708.00489

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::clusters::{Clusters, means};
use super::points::{Points, nearest, squared};
use crate::error::{CurriculumError, Result, count};

/// Settings of k-means in any number of dimensions.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `clusters` | | how many, 1 to 2^20 and at most as many as points |
/// | `sweeps` | 100 | of Lloyd's algorithm at most, 1 to 1,000,000; 0 leaves the first centres |
/// | `spread` | true | first centres far from each other (k-means++); false: points at random |
/// | `seed` | 0 | of the first centres |
///
/// ```
/// use regimen_curriculum::ability::mastery::{KMeansConfig, Points};
///
/// let points = Points::of_rows(&[[0.0], [0.1], [5.0], [5.1]])?;
/// let clusters = KMeansConfig::new(2).fit(&points)?;
/// assert_eq!(clusters.assignment[0], clusters.assignment[1]);
/// assert_ne!(clusters.assignment[0], clusters.assignment[2]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct KMeansConfig {
    clusters: usize,
    sweeps: usize,
    spread: bool,
    seed: u64,
}

checked_serde!(KMeansConfig);

impl Checked for KMeansConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let some = (1..=1 << 20).contains(&self.clusters);
        count("clusters", self.clusters, some, "1 to 1048576 (2^20)")?;
        let some = self.sweeps <= 1_000_000;
        count("sweeps", self.sweeps, some, "0 to 1000000")
    }
}

impl KMeansConfig {
    /// So many clusters.
    #[must_use]
    pub fn new(clusters: usize) -> Self {
        Self {
            clusters,
            sweeps: 100,
            spread: true,
            seed: 0,
        }
    }

    /// Sweeps at most; 0 leaves the first centres as they are.
    #[must_use]
    pub fn with_sweeps(mut self, sweeps: usize) -> Self {
        self.sweeps = sweeps;
        self
    }

    /// Whether first centres are far from each other.
    #[must_use]
    pub fn with_spread(mut self, spread: bool) -> Self {
        self.spread = spread;
        self
    }

    /// Another seed of the first centres.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The clusters of these points. A cluster that loses its points keeps its centre.
    ///
    /// # Errors
    /// If a setting lies outside its range, or there are fewer points than clusters.
    pub fn fit(&self, points: &Points) -> Result<Clusters> {
        self.check()?;
        let enough = self.clusters <= points.len();
        count("clusters", self.clusters, enough, "up to the points")?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut centres = self.first(points, &mut rng);
        let assigned = |centres: &[Vec<f64>]| -> Vec<(usize, f64)> {
            let places = (0..points.len()).into_par_iter();
            places
                .map(|place| nearest(points.row(place), centres))
                .collect()
        };
        let mut found = assigned(&centres);
        let mut sweeps = 0;
        while sweeps < self.sweeps {
            sweeps += 1;
            let assignment: Vec<usize> = found.iter().map(|(cluster, _)| *cluster).collect();
            let moved = means(points, &assignment, centres.len()).into_iter();
            for (centre, mean) in centres.iter_mut().zip(moved) {
                *centre = mean.unwrap_or_else(|| std::mem::take(centre));
            }
            let next = assigned(&centres);
            let rests = next
                .iter()
                .zip(&assignment)
                .all(|(one, before)| one.0 == *before);
            found = next;
            if rests {
                break;
            }
        }
        Ok(Clusters {
            cost: found.iter().map(|(_, distance)| distance).sum(),
            assignment: found.into_iter().map(|(cluster, _)| cluster).collect(),
            centres,
            sweeps,
        })
    }

    fn first(&self, points: &Points, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
        if !self.spread {
            let chosen = rand::seq::index::sample(rng, points.len(), self.clusters);
            return chosen
                .iter()
                .map(|place| points.row(place).to_vec())
                .collect();
        }
        let mut centres = vec![points.row(rng.random_range(0..points.len())).to_vec()];
        let mut distances = vec![f64::INFINITY; points.len()];
        while centres.len() < self.clusters {
            let last = &centres[centres.len() - 1];
            for (distance, row) in distances.iter_mut().zip(points.rows()) {
                *distance = distance.min(squared(row, last));
            }
            let total: f64 = distances.iter().sum();
            let mut mark = rng.random::<f64>() * total;
            let mut chosen = rng.random_range(0..points.len());
            for (place, distance) in distances.iter().enumerate() {
                mark -= distance;
                if *distance > 0.0 && mark < 0.0 {
                    chosen = place;
                    break;
                }
            }
            centres.push(points.row(chosen).to_vec());
        }
        centres
    }
}

/// So many distinct points, in the order in which they were taken: from this first one on, each is the one farthest from all that were taken, the first of
/// several.
///
/// ```
/// use regimen_curriculum::ability::mastery::{Points, farthest_first};
///
/// let points = Points::of_rows(&[[0.0], [1.0], [5.0], [9.0]])?;
/// assert_eq!(farthest_first(&points, 3, 0)?, [0, 3, 2]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If more points are wanted than there are, none, or the first is not there.
pub fn farthest_first(points: &Points, wanted: usize, first: usize) -> Result<Vec<usize>> {
    let good = (1..=points.len()).contains(&wanted);
    count("wanted", wanted, good, "1 to the number of points")?;
    let there = first < points.len();
    count("first", first, there, "below the number of points")?;
    let mut taken = vec![first];
    // Below any distance where a point was taken.
    let mut distances = vec![f64::INFINITY; points.len()];
    while taken.len() < wanted {
        let last = taken[taken.len() - 1];
        distances[last] = -1.0;
        let row = points.row(last);
        let mut far = (0, f64::NEG_INFINITY);
        for (place, (distance, other)) in distances.iter_mut().zip(points.rows()).enumerate() {
            *distance = distance.min(squared(row, other));
            if *distance > far.1 {
                far = (place, *distance);
            }
        }
        taken.push(far.0);
    }
    Ok(taken)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn three_groups_are_found_and_traversed() {
        let rows: Vec<[f64; 2]> = (0..30)
            .map(|i| {
                [
                    f64::from(i % 3) * 10.0 + f64::from(i) * 0.01,
                    f64::from(i % 2) * 0.1,
                ]
            })
            .collect();
        let points = Points::of_rows(&rows).unwrap();
        let found = KMeansConfig::new(3).with_seed(4).fit(&points).unwrap();
        for (place, cluster) in found.assignment.iter().enumerate() {
            assert_eq!(*cluster, found.assignment[place % 3]);
        }
        let first = KMeansConfig::new(3).with_spread(false).with_sweeps(0);
        assert!(first.fit(&points).unwrap().cost >= found.cost);
        let taken = farthest_first(&points, 30, 1).unwrap();
        let mut groups: Vec<usize> = taken[..3].iter().map(|place| place % 3).collect();
        groups.sort_unstable();
        assert_eq!(groups, [0, 1, 2]);
        let mut all = taken;
        all.sort_unstable();
        assert_eq!(all, (0..30).collect::<Vec<_>>());
        assert!(KMeansConfig::new(31).fit(&points).is_err());
        assert!(farthest_first(&points, 31, 0).is_err());
        assert!(farthest_first(&points, 3, 30).is_err());
    }

    #[test]
    fn equal_points_are_clusters_too() {
        let points = Points::of_rows(&[[1.0]; 5]).unwrap();
        let found = KMeansConfig::new(4).fit(&points).unwrap();
        assert_eq!((found.len(), found.cost), (4, 0.0));
        assert_eq!(farthest_first(&points, 5, 2).unwrap().len(), 5);
    }
}
