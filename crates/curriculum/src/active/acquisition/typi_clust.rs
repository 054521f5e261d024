//! # TypiClust
//!
//! Asks for typical candidates of clusters that have no label yet: for few labels, where a model can't say what it is unsure about.
//!
//! Source: Hacohen, Dekel and Weinshall 2022, "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets", arXiv 2202.02794, and its
//! released code

use burn::tensor::{Int, Tensor, TensorData};
use rayon::prelude::*;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::clusters::k_means;
use super::embeddings::{Embeddings, pieces, squared, squares};
use super::score::{Acquisition, check_wanted};
use crate::error::{CurriculumError, Result, count};

/// Clusters of this many or fewer come after all others.
const SMALL: usize = 5;

/// Clusters pool and labelled examples by k-means into as many clusters as labels there will be, and takes from one cluster after another, those with
/// fewest labels first, of these the largest, the most typical candidate that was not taken. Clusters of five and fewer wait until the others are used up.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `neighbours` | 20 | over which a candidate is typical, 1 to 2^20, in its cluster |
/// | `clusters` | 500 | at most, 1 to 2^16 |
/// | `sweeps` | 100 | of k-means at most, 1 to 1,000,000 |
/// | `seed` | 0 | of its first centres |
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, Embeddings, TypiClust};
///
/// let rows = [[0.0], [0.1], [0.2], [9.0], [9.15], [9.2], [9.25], [9.4]];
/// let pool = Embeddings::new(Tensor::<2>::from_data(rows, &Device::default()))?;
/// // The middle of the larger cluster, then that of the other one.
/// assert_eq!(TypiClust::new().with_neighbours(2).select(&pool, 2)?, [5, 1]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct TypiClust {
    neighbours: usize,
    clusters: usize,
    sweeps: usize,
    seed: u64,
}

checked_serde!(TypiClust);

impl Checked for TypiClust {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_neighbours(self.neighbours)?;
        let good = (1..=1 << 16).contains(&self.clusters);
        count("clusters", self.clusters, good, "1 to 65536 (2^16)")?;
        let good = (1..=1_000_000).contains(&self.sweeps);
        count("sweeps", self.sweeps, good, "1 to 1000000")
    }
}

fn check_neighbours(neighbours: usize) -> Result<()> {
    let good = (1..=1 << 20).contains(&neighbours);
    count("neighbours", neighbours, good, "1 to 1048576 (2^20)")
}

impl Default for TypiClust {
    fn default() -> Self {
        Self::new()
    }
}

impl TypiClust {
    /// With the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            neighbours: 20,
            clusters: 500,
            sweeps: 100,
            seed: 0,
        }
    }

    /// Typical over so many neighbours.
    #[must_use]
    pub fn with_neighbours(mut self, neighbours: usize) -> Self {
        self.neighbours = neighbours;
        self
    }

    /// So many clusters at most.
    #[must_use]
    pub fn with_clusters(mut self, clusters: usize) -> Self {
        self.clusters = clusters;
        self
    }

    /// So many sweeps of k-means at most.
    #[must_use]
    pub fn with_sweeps(mut self, sweeps: usize) -> Self {
        self.sweeps = sweeps;
        self
    }

    /// Another seed of the first centres.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// A cluster: its candidates that were not taken, its size, and how many labels it has.
struct Group {
    free: Vec<usize>,
    size: usize,
    labels: usize,
}

impl Acquisition for TypiClust {
    type Pool = Embeddings;

    fn select(&self, pool: &Embeddings, wanted: usize) -> Result<Vec<usize>> {
        self.check()?;
        let (candidates, labels) = (pool.candidates(), pool.labelled());
        check_wanted(wanted, candidates)?;
        let rows = match &pool.labelled {
            None => pool.pool.clone(),
            Some(labelled) => Tensor::cat(vec![pool.pool.clone(), labelled.clone()], 0),
        };
        let clusters = (labels + wanted).min(self.clusters);
        let mut groups: Vec<Group> = Vec::new();
        groups.resize_with(clusters, || Group {
            free: Vec::new(),
            size: 0,
            labels: 0,
        });
        let found = k_means(&rows, clusters, self.sweeps, self.seed)?;
        for (row, cluster) in found.into_iter().enumerate() {
            let group = &mut groups[cluster];
            group.size += 1;
            if row < candidates {
                group.free.push(row);
            } else {
                group.labels += 1;
            }
        }
        groups.sort_by_key(|group| (group.labels, std::cmp::Reverse(group.size)));
        let (mut large, mut small): (Vec<Group>, Vec<Group>) =
            groups.into_iter().partition(|group| group.size > SMALL);
        let mut chosen = Vec::with_capacity(wanted);
        for groups in [&mut large, &mut small] {
            while chosen.len() < wanted && groups.iter().any(|group| !group.free.is_empty()) {
                for group in groups.iter_mut().filter(|group| !group.free.is_empty()) {
                    let place = self.most_typical(&pool.pool, &group.free)?;
                    chosen.push(group.free.remove(place));
                    if chosen.len() == wanted {
                        break;
                    }
                }
            }
        }
        Ok(chosen)
    }
}

impl TypiClust {
    /// The first place of the largest typicality among these.
    fn most_typical(&self, pool: &Tensor<2>, members: &[usize]) -> Result<usize> {
        let ids: Vec<i64> = members.iter().map(|member| *member as i64).collect();
        let ids = TensorData::new(ids, [members.len()]);
        let ids = Tensor::<1, Int>::from_data(ids, &pool.device());
        let found = typicality_of(&pool.clone().select(0, ids), self.neighbours)?;
        let order = |a: &usize, b: &usize| found[*a].total_cmp(&found[*b]).then(b.cmp(a));
        Ok((0..found.len()).max_by(order).unwrap_or(0))
    }
}

/// How typical each candidate is of the pool: one over its mean distance to its nearest so many others (to all, if there are fewer), plus 0.00001. Of one
/// candidate it is 100,000.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Embeddings, typicality};
///
/// let pool = Embeddings::new(Tensor::<2>::from_data([[0.0], [1.0], [3.0]], &Device::default()))?;
/// let found = typicality(&pool, 2)?;
/// assert!((found[1] - 1.0 / 1.5).abs() < 1e-4 && found[1] > found[0] && found[0] > found[2]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If the neighbours are none or more than 2^20, or the device can't return distances.
pub fn typicality(pool: &Embeddings, neighbours: usize) -> Result<Vec<f64>> {
    check_neighbours(neighbours)?;
    typicality_of(&pool.pool, neighbours)
}

fn typicality_of(rows: &Tensor<2>, neighbours: usize) -> Result<Vec<f64>> {
    let all = rows.dims()[0];
    let neighbours = neighbours.min(all - 1);
    let norms = squares(rows.clone());
    let mut found = Vec::with_capacity(all);
    for (start, length) in pieces(all, all) {
        let of = |all: &Tensor<2>| all.clone().narrow(0, start, length);
        let distances = squared(of(rows), of(&norms), rows.clone());
        let distances = distances.reshape([length * all]).try_into_vec_as::<f64>();
        let mut distances =
            distances.map_err(|error| CurriculumError::Read(format!("{error:?}")))?;
        let rows = distances.par_chunks_exact_mut(all).enumerate();
        found.par_extend(rows.map(|(row, distances)| {
            distances[start + row] = f64::INFINITY;
            if neighbours == 0 {
                return 1.0 / 1e-5;
            }
            distances.select_nth_unstable_by(neighbours - 1, f64::total_cmp);
            let nearest = distances[..neighbours].iter().map(|square| square.sqrt());
            1.0 / (nearest.sum::<f64>() / neighbours as f64 + 1e-5)
        }));
    }
    Ok(found)
}
