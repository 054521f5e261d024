//! # Likeness
//!
//! Which documents of a sample are the nearest to any of the target examples: ranks by cosine under each target, aggregated over the targets
//!
//! Source: BETR, "Language Models Improve When Pretraining Data Matches Target Tasks", arXiv 2507.12466

use rayon::prelude::*;
use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::aggregation::Aggregation;
use super::sums::Sums;
use super::vectors::Vectors;
use crate::error::{CurriculumError, Result, check, count, finite};

/// Settings of [`Likeness`].
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `aggregation` | `Max` | from ranks to a score |
/// | `cosines_at_once` | 2^25 | numbers that are held at a time, 2^10 to 2^32; at least one for each document are. Each takes 4 bytes |
///
/// ```
/// use regimen_curriculum::text::{LikenessConfig, Vectors};
///
/// let (pool, targets) = ([1.0, 0.1, -1.0, 0.0, 0.6, 0.6], [3.0, 0.0, 0.0, 2.0]);
/// let likeness = LikenessConfig::new().init(&Vectors::new(&pool, 2)?, &Vectors::new(&targets, 2)?)?;
/// // The first is the best for the first target, the last for the second: cosines of .995 and .707 break the tie.
/// assert_eq!(likeness.best_ranks(), [1, 3, 1]);
/// assert_eq!(likeness.order(), [0, 2, 1]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct LikenessConfig {
    aggregation: Aggregation,
    cosines_at_once: usize,
}

checked_serde!(LikenessConfig);

impl Default for LikenessConfig {
    fn default() -> Self {
        Self {
            aggregation: Aggregation::default(),
            cosines_at_once: 1 << 25,
        }
    }
}

impl Checked for LikenessConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let good = (1 << 10..=1 << 32).contains(&self.cosines_at_once);
        let allowed = "1024 to 4294967296 (2^32)";
        count("cosines_at_once", self.cosines_at_once, good, allowed)
    }
}

impl LikenessConfig {
    /// The best rank, with 2^25 cosines at a time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From ranks to a score.
    #[must_use]
    pub fn with_aggregation(mut self, aggregation: Aggregation) -> Self {
        self.aggregation = aggregation;
        self
    }

    /// Numbers that are held at a time, 2^10 to 2^32.
    #[must_use]
    pub fn with_cosines_at_once(mut self, cosines: usize) -> Self {
        self.cosines_at_once = cosines;
        self
    }

    /// Scores a sample of the pool by its likeness to the targets, on all cores.
    ///
    /// A vector of zeros has the cosine 0 with all. The result does not depend on the number of threads, nor on `cosines_at_once`.
    ///
    /// # Errors
    /// If a setting lies outside its range, the vectors of pool and targets differ in length, or the pool has 2^32 - 1 documents or more.
    pub fn init(&self, pool: &Vectors<'_>, targets: &Vectors<'_>) -> Result<Likeness> {
        self.init_watched(pool, targets, &Watch::default())
    }

    /// [`init`](Self::init), reporting after each block of targets. Work that is stopped gives the likeness to the targets before, one block
    /// at least.
    ///
    /// # Errors
    /// As for [`init`](Self::init).
    #[tracing::instrument(skip_all, name = "likeness", fields(pool = pool.count(), targets = targets.count()))]
    pub fn init_watched(
        &self,
        pool: &Vectors<'_>,
        targets: &Vectors<'_>,
        watch: &Watch,
    ) -> Result<Likeness> {
        self.check()?;
        let (own, theirs) = (pool.dimensions(), targets.dimensions());
        let allowed = "as many as those of the pool";
        count("dimensions of the targets", theirs, own == theirs, allowed)?;
        let documents = pool.count();
        let fits = documents < u32::MAX as usize;
        count("documents", documents, fits, "up to 4294967294 (2^32 - 2)")?;
        let at_once = (self.cosines_at_once / documents).clamp(1, targets.count());
        let mut sums = Sums::new(pool, self.aggregation);
        let mut cosines = vec![0.0; at_once * documents];
        let mut done = 0;
        while done < targets.count() {
            let end = (done + at_once).min(targets.count());
            let cosines = &mut cosines[..(end - done) * documents];
            sums.add(cosines, pool, targets.part(done, end))?;
            done = end;
            if !watch.goes_on("likeness", done, targets.count()) {
                break;
            }
        }
        Ok(Likeness::new(sums))
    }
}

/// How like each document of a sample is to the targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Likeness {
    scores: Vec<f64>,
    best_ranks: Vec<u32>,
    best_cosines: Vec<f32>,
}

checked_serde!(Likeness);

impl Checked for Likeness {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        finite("scores", &self.scores)?;
        let documents = self.scores.len();
        let same = |length: usize| length == documents;
        let allowed = "as many as scores";
        let (ranks, cosines) = (self.best_ranks.len(), self.best_cosines.len());
        count("best_ranks", ranks, same(ranks), allowed)?;
        count("best_cosines", cosines, same(cosines), allowed)?;
        let cosines: Vec<f64> = self.best_cosines.iter().copied().map(f64::from).collect();
        finite("best_cosines", &cosines)
    }
}

impl Likeness {
    fn new(sums: Sums) -> Self {
        Self {
            scores: sums.scores(),
            best_ranks: sums.best_ranks,
            best_cosines: sums.best_cosines,
        }
    }

    /// The score of each document; higher is better. With [`Aggregation::Max`] many are equal: up to one a target has the best rank.
    #[must_use]
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// Of each document its best rank under any target, 1 and up.
    #[must_use]
    pub fn best_ranks(&self) -> &[u32] {
        &self.best_ranks
    }

    /// Of each document its highest cosine with any target, -1 to 1.
    #[must_use]
    pub fn best_cosines(&self) -> &[f32] {
        &self.best_cosines
    }

    /// The documents, the best first: by score, those of one score by their best cosine, and then in the pool's order.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.scores.len()).collect();
        order.par_sort_unstable_by(|a, b| {
            let by_score = self.scores[*b].total_cmp(&self.scores[*a]);
            let cosine = |place: &usize| self.best_cosines[*place];
            let by_cosine = cosine(b).total_cmp(&cosine(a));
            by_score.then(by_cosine).then(a.cmp(b))
        });
        order
    }

    /// Whether each document is among the best share in [`order`](Self::order), `floor(share * documents)` of them and at least one: what a
    /// classifier is to tell from the rest. The paper takes a tenth.
    ///
    /// # Errors
    /// If the share is not above 0 and below 1.
    pub fn best(&self, share: f64) -> Result<Vec<bool>> {
        let good = share > 0.0 && share < 1.0;
        check("share", share, good, "above 0, below 1")?;
        let best = crate::select::draw::count(share, self.scores.len()).max(1);
        let mut are_best = vec![false; self.scores.len()];
        for place in self.order().into_iter().take(best) {
            are_best[place] = true;
        }
        Ok(are_best)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Cosines, times .9 so that unit vectors with these exist: the targets are three axes, and a fourth fills up.
    const COSINES: [[f32; 5]; 3] = [
        [0.9, 0.1, 0.5, 0.3, 0.2],
        [0.2, 0.8, 0.4, 0.6, 0.1],
        [0.3, 0.7, 0.6, 0.1, 0.5],
    ];

    fn pool() -> Vec<f32> {
        let document = |place: usize| {
            let [a, b, c] = COSINES.map(|row| 0.9 * row[place]);
            let rest = (1.0 - a * a - b * b - c * c).sqrt();
            // Their length does not count.
            let length = (place + 1) as f32 * 3.0;
            [a, b, c, rest].map(|value| length * value)
        };
        (0..5).flat_map(document).collect()
    }

    fn targets(axes: &[usize]) -> Vec<f32> {
        let axis = |axis: usize| (0..4).map(move |at| if at == axis { 0.1 } else { 0.0 });
        axes.iter().copied().flat_map(axis).collect()
    }

    fn likeness(axes: &[usize], aggregation: Aggregation) -> Likeness {
        let (pool, targets) = (pool(), targets(axes));
        let config = LikenessConfig::new().with_aggregation(aggregation);
        let [pool, targets] = [&pool, &targets].map(|all| Vectors::new(all, 4).unwrap());
        config.init(&pool, &targets).unwrap()
    }

    fn assert_near(found: &[f64], expected: [f64; 5]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 6e-5, "{found} {expected}");
        }
    }

    #[test]
    fn scores_of_the_specs_matrix() {
        let all = [0, 1, 2];
        let max = likeness(&all, Aggregation::Max);
        assert_eq!(max.best_ranks(), [1, 1, 2, 2, 3]);
        assert_near(max.scores(), [0.0, 0.0, -1.0, -1.0, -1.584_962_5]);
        let log = likeness(&all, Aggregation::MeanLog);
        assert_near(log.scores(), [-1.3333, -0.7740, -1.1950, -1.6356, -1.9690]);
        assert_eq!(log.order(), [1, 2, 0, 3, 4]);
        let reciprocal = likeness(&all, Aggregation::MeanReciprocal);
        assert_near(reciprocal.scores(), [0.5, 0.7333, 0.4444, 0.3444, 0.2611]);
        assert_eq!(reciprocal.order(), [1, 0, 2, 3, 4]);
        // Ties of the best rank: .9 before .8 and .6 before .6, in the pool's order.
        assert_eq!(max.order(), [0, 1, 2, 3, 4]);
        assert_eq!(max.best(0.4).unwrap(), [true, true, false, false, false]);
        assert_eq!(max.best(0.1).unwrap(), [true, false, false, false, false]);
        assert!(max.best(0.0).is_err() && max.best(1.0).is_err());
        let cosine = likeness(&all, Aggregation::MeanCosine);
        let mean = |place: usize| COSINES.iter().map(|row| f64::from(row[place])).sum::<f64>();
        assert_near(cosine.scores(), [0, 1, 2, 3, 4].map(|at| 0.3 * mean(at)));
    }

    #[test]
    fn one_target_makes_all_aggregations_one_order() {
        for axis in 0..3 {
            let orders = [
                Aggregation::Max,
                Aggregation::MeanLog,
                Aggregation::MeanReciprocal,
                Aggregation::MeanCosine,
            ]
            .map(|aggregation| likeness(&[axis], aggregation).order());
            assert!(orders.iter().all(|order| *order == orders[0]));
        }
    }

    #[test]
    fn a_target_twice_changes_the_mean_alone() {
        let of = |axes: &[usize], aggregation| likeness(axes, aggregation).scores().to_vec();
        let (once, twice) = ([0, 1, 2], [0, 1, 2, 0]);
        assert_eq!(of(&once, Aggregation::Max), of(&twice, Aggregation::Max));
        assert_ne!(
            of(&once, Aggregation::MeanLog),
            of(&twice, Aggregation::MeanLog)
        );
    }

    /// Numbers without a pattern.
    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| rng.random::<f32>() - 0.5).collect()
    }

    #[test]
    fn blocks_threads_and_a_plain_loop_agree() {
        let (pool, targets) = (numbers(1300 * 7, 1), numbers(60 * 7, 2));
        let [pool, targets] = [&pool, &targets].map(|all| Vectors::new(all, 7).unwrap());
        let threads = |threads, cosines| {
            let threads = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let config = LikenessConfig::new()
                .with_aggregation(Aggregation::MeanLog)
                .with_cosines_at_once(cosines);
            let pool = || config.init(&pool, &targets).unwrap();
            threads.build().unwrap().install(pool)
        };
        let found = threads(1, 1 << 24);
        for (count, cosines) in [(1, 1024), (2, 1024), (3, 5000), (2, 1 << 20)] {
            assert_eq!(threads(count, cosines), found);
        }
        // Each target has one document of rank 1.
        let firsts = found.best_ranks().iter().filter(|rank| **rank == 1).count();
        assert!((2..=60).contains(&firsts));
        let unit = |vector: &[f32]| {
            let length = vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
            let scaled = vector.iter().map(|v| f64::from(*v) / length.sqrt());
            scaled.collect::<Vec<f64>>()
        };
        let documents: Vec<Vec<f64>> = pool.rows().map(unit).collect();
        let mut sums = vec![0.0; documents.len()];
        for target in targets.rows().map(unit) {
            let cosine = |document: &Vec<f64>| {
                let products = document.iter().zip(&target).map(|(a, b)| a * b);
                products.sum::<f64>()
            };
            let cosines: Vec<f64> = documents.iter().map(cosine).collect();
            for (sum, own) in sums.iter_mut().zip(&cosines) {
                let better = cosines.iter().filter(|other| *other > own).count();
                *sum -= ((better + 1) as f64).log2();
            }
        }
        // Two cosines that are one in single precision may change places.
        for (found, sum) in found.scores().iter().zip(sums) {
            assert!((found - sum / 60.0).abs() < 2e-2);
        }
    }

    #[test]
    fn huge_tiny_and_zero_vectors_have_cosines() {
        let pool = [f32::MAX, f32::MAX, 1e-45, 1e-45, 0.0, 0.0, -f32::MAX, 0.0];
        let targets = [1e-40, 1e-40];
        let [pool, targets] = [&pool[..], &targets].map(|all| Vectors::new(all, 2).unwrap());
        let likeness = LikenessConfig::new().init(&pool, &targets).unwrap();
        assert_eq!(likeness.best_ranks(), [1, 2, 3, 4]);
        assert!((likeness.best_cosines()[1] - 1.0).abs() < 1e-6);
        assert_eq!(likeness.best_cosines()[2], 0.0);
    }

    #[test]
    fn a_stop_gives_the_targets_before() {
        let (pool, targets) = (numbers(1100 * 3, 1), numbers(5 * 3, 2));
        let [pool, all] = [&pool, &targets].map(|all| Vectors::new(all, 3).unwrap());
        let config = LikenessConfig::new().with_cosines_at_once(1024);
        let config = config.with_aggregation(Aggregation::MeanLog);
        let stopped = config
            .init_watched(&pool, &all, &Watch::new().until(|| true))
            .unwrap();
        let first = Vectors::new(&targets[..3], 3).unwrap();
        assert_eq!(stopped, config.init(&pool, &first).unwrap());
    }
}
