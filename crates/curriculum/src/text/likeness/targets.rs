//! # balanced, centroid, centroids
//!
//! Which target examples stand for several benchmarks: the same number of each, their mean, or the means of clusters
//!
//! Source: BETR, arXiv 2507.12466: the evaluation-aware mode, and the centroids of its ablations

use std::collections::BTreeMap;

use rand::seq::index::sample;

use super::vectors::{Vectors, unit};
use crate::ability::mastery::{KMeansConfig, Points};
use crate::error::{CurriculumError, Result, count};
use crate::select::draw::generator;

/// The same number of examples of every benchmark, so that large ones do not dominate: `each` of them, or as many as the smallest has.
/// Gives the places of the examples, in rising order.
///
/// ```
/// use regimen_curriculum::text::balanced;
///
/// let benchmarks = ["arc", "mmlu", "mmlu", "arc", "mmlu", "mmlu"];
/// let places = balanced(&benchmarks, None, 0)?;
/// assert_eq!(places.len(), 4);
/// assert_eq!(places.iter().filter(|place| benchmarks[**place] == "arc").count(), 2);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If there is no example, or a benchmark has fewer than `each`, or `each` is 0.
pub fn balanced<B: Ord>(benchmarks: &[B], each: Option<usize>, seed: u64) -> Result<Vec<usize>> {
    let mut places: BTreeMap<&B, Vec<usize>> = BTreeMap::new();
    for (place, benchmark) in benchmarks.iter().enumerate() {
        places.entry(benchmark).or_default().push(place);
    }
    let Some(least) = places.values().map(Vec::len).min() else {
        return Err(CurriculumError::TooFew {
            field: "benchmarks",
            found: 0,
            needed: 1,
        });
    };
    let each = each.unwrap_or(least);
    let allowed = "1 to the number of examples of the smallest benchmark";
    count("each", each, (1..=least).contains(&each), allowed)?;
    let mut chosen = Vec::new();
    for (benchmark, places) in places.values().enumerate() {
        let drawn = sample(&mut generator(seed, benchmark), places.len(), each);
        chosen.extend(drawn.into_iter().map(|place| places[place]));
    }
    chosen.sort_unstable();
    Ok(chosen)
}

/// The mean of the vectors, each of length 1: one target that stands for all, which the paper found to be worse than each by itself.
#[must_use]
pub fn centroid(vectors: &Vectors<'_>) -> Vec<f32> {
    let mut sums = vec![0.0_f64; vectors.dimensions()];
    let mut one = Vec::new();
    for vector in vectors.rows() {
        unit(vector, vectors.dimensions(), &mut one);
        for (sum, value) in sums.iter_mut().zip(&one) {
            *sum += f64::from(*value);
        }
    }
    let count = vectors.count() as f64;
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}

/// The means of clusters of the vectors, each of length 1, by k-means: fewer targets that stand for all, one vector after the other. The paper
/// found them to lie between each example by itself and one centroid.
///
/// ```
/// use regimen_curriculum::text::{Vectors, centroids};
///
/// let targets = [3.0, 0.0, 0.9, 0.0, 0.0, 0.5];
/// let mut two = centroids(&Vectors::new(&targets, 2)?, 2, 0)?;
/// assert_eq!(two.len(), 4);
/// assert!(two == [1.0, 0.0, 0.0, 1.0] || two == [0.0, 1.0, 1.0, 0.0]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If there are not 1 to as many clusters as vectors, or the vectors have too many numbers for k-means.
pub fn centroids(vectors: &Vectors<'_>, clusters: usize, seed: u64) -> Result<Vec<f32>> {
    let dimensions = vectors.dimensions();
    let mut units = Vec::new();
    unit(vectors.part(0, vectors.count()), dimensions, &mut units);
    let units = units.into_iter().map(f64::from).collect();
    let points = Points::new(dimensions, units)?;
    let found = KMeansConfig::new(clusters).with_seed(seed).fit(&points)?;
    let values = found.centres.into_iter().flatten();
    Ok(values.map(|value| value as f32).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn as_many_of_each_benchmark() {
        let benchmarks: Vec<usize> = (0..100).map(|place| usize::from(place % 10 == 0)).collect();
        for (each, count) in [(None, 10), (Some(4), 4)] {
            let places = balanced(&benchmarks, each, 1).unwrap();
            let small = places.iter().filter(|place| *place % 10 == 0).count();
            assert_eq!((places.len(), small), (2 * count, count));
            assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!(places, balanced(&benchmarks, each, 1).unwrap());
            assert_ne!(places, balanced(&benchmarks, each, 2).unwrap());
        }
        for each in [Some(0), Some(11)] {
            assert!(balanced(&benchmarks, each, 1).is_err());
        }
        assert!(balanced::<u8>(&[], None, 1).is_err());
    }

    #[test]
    fn the_centroid_is_of_directions() {
        let vectors = [3.0, 0.0, 0.0, 0.5];
        let vectors = Vectors::new(&vectors, 2).unwrap();
        assert_eq!(centroid(&vectors), [0.5, 0.5]);
    }

    #[test]
    fn one_cluster_is_the_centroid_and_as_many_are_the_vectors() {
        let values = [3.0, 0.0, 0.0, 0.5, -2.0, -2.0];
        let vectors = Vectors::new(&values, 2).unwrap();
        for (one, of) in centroids(&vectors, 1, 0)
            .unwrap()
            .iter()
            .zip(centroid(&vectors))
        {
            assert!((one - of).abs() < 1e-6);
        }
        let all = centroids(&vectors, 3, 1).unwrap();
        let mut all: Vec<&[f32]> = all.chunks(2).collect();
        all.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let half = 0.5_f32.sqrt();
        assert_eq!(all, [[-half, -half], [0.0, 1.0], [1.0, 0.0]]);
        assert!(centroids(&vectors, 0, 0).is_err() && centroids(&vectors, 4, 0).is_err());
    }
}
