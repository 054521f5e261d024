//! Clusters of points.

use rayon::prelude::*;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::points::{Points, nearest};
use crate::error::{CurriculumError, Result, check_examples, count, finite};

/// Centres, and the cluster of each point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Clusters {
    /// The middle of each cluster.
    pub centres: Vec<Vec<f64>>,
    /// The cluster of each point.
    pub assignment: Vec<usize>,
    /// What was minimised: the sum of the points' squared distances to their centres and, for DP-means, the price of the clusters.
    pub cost: f64,
    /// Sweeps over the points that were made.
    pub sweeps: usize,
}

checked_serde!(Clusters);

impl Checked for Clusters {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_examples(self.centres.len())?;
        let width = self.centres.first().map_or(0, Vec::len);
        for centre in &self.centres {
            finite("centres", centre)?;
            let same = centre.len() == width;
            count("width of a centre", centre.len(), same, "that of the first")?;
        }
        check_examples(self.assignment.len())?;
        for cluster in &self.assignment {
            let good = *cluster < self.centres.len();
            count("cluster", *cluster, good, "below the number of centres")?;
        }
        finite("cost", &[self.cost])
    }
}

impl Clusters {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.centres.len()
    }

    /// Whether there is none, which is never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.centres.is_empty()
    }

    /// The places of each cluster's points, in rising order.
    #[must_use]
    pub fn members(&self) -> Vec<Vec<usize>> {
        members(&self.assignment, self.centres.len())
    }

    /// The nearest centre of each of these points: clusters of a part assign all.
    ///
    /// # Errors
    /// If the points have another width than the centres.
    pub fn assign(&self, points: &Points) -> Result<Vec<usize>> {
        let width = self.centres.first().map_or(0, Vec::len);
        let same = points.width() == width;
        count("width", points.width(), same, "that of the centres")?;
        let places = (0..points.len()).into_par_iter();
        let nearest = places.map(|place| nearest(points.row(place), &self.centres).0);
        Ok(nearest.collect())
    }
}

/// The places of each of so many clusters.
pub(super) fn members(assignment: &[usize], clusters: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); clusters];
    for (place, cluster) in assignment.iter().enumerate() {
        members[*cluster].push(place);
    }
    members
}

/// The mean of each cluster; none for one without points.
pub(super) fn means(
    points: &Points,
    assignment: &[usize],
    clusters: usize,
) -> Vec<Option<Vec<f64>>> {
    let mut sums = vec![vec![0.0; points.width()]; clusters];
    let mut counts = vec![0_usize; clusters];
    for (row, cluster) in points.rows().zip(assignment) {
        counts[*cluster] += 1;
        let sum = sums[*cluster].iter_mut();
        sum.zip(row).for_each(|(sum, x)| *sum += x);
    }
    let each = sums.into_iter().zip(counts);
    each.map(|(mut sum, count)| {
        sum.iter_mut().for_each(|x| *x /= count as f64);
        (count > 0).then_some(sum)
    })
    .collect()
}
