//! # TargetVectors
//!
//! Cosines of documents with target examples, each document by itself: for engines that see a corpus in parts
//!
//! Source: BETR, arXiv 2507.12466; ranks, which need all documents, are made of these cosines

use rayon::prelude::*;
use regimen_tensor::linalg::inner_products;

use super::vectors::{Vectors, unit};
use crate::error::{CurriculumError, Result, count};

/// Vectors of target examples that documents are compared with. [`LikenessConfig`](super::LikenessConfig) ranks a sample that fits into memory at
/// once; these give the same cosines, to the bit, for any part of a corpus.
///
/// ```
/// use regimen_curriculum::text::{TargetVectors, Vectors};
///
/// let targets = TargetVectors::new(&Vectors::new(&[3.0, 0.0, 0.0, 2.0], 2)?);
/// let cosines = targets.cosines(&Vectors::new(&[0.6, 0.8], 2)?)?;
/// assert_eq!(cosines, [0.6, 0.8]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TargetVectors {
    /// Of length 1, or zeros.
    units: Vec<f32>,
    dimensions: usize,
}

/// Documents whose cosines are computed by one thread at a time.
pub(in crate::text) const ROWS_AT_ONCE: usize = 512;

impl TargetVectors {
    /// The vectors of the targets, of any lengths.
    #[must_use]
    pub fn new(targets: &Vectors<'_>) -> Self {
        let mut units = Vec::new();
        let dimensions = targets.dimensions();
        unit(targets.part(0, targets.count()), dimensions, &mut units);
        Self { units, dimensions }
    }

    /// How many targets there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.units.len() / self.dimensions
    }

    /// Numbers of a vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The cosines of each document with each target, `[documents, targets]`, on all cores. A vector of zeros has the cosine 0 with all.
    ///
    /// # Errors
    /// If the vectors have other dimensions than the targets.
    pub fn cosines(&self, documents: &Vectors<'_>) -> Result<Vec<f32>> {
        let (own, theirs) = (self.dimensions, documents.dimensions());
        let allowed = "as many as those of the targets";
        count("dimensions", theirs, own == theirs, allowed)?;
        let mut cosines = vec![0.0; documents.count() * self.count()];
        let pieces = cosines.par_chunks_mut(ROWS_AT_ONCE * self.count());
        let work = |memory: &mut Vec<f32>, (piece, out): (usize, &mut [f32])| {
            let from = piece * ROWS_AT_ONCE;
            let to = from + out.len() / self.count();
            unit(documents.part(from, to), own, memory);
            let fits = inner_products(memory, &self.units, own, out);
            fits.map_err(|error| CurriculumError::OutOfRange {
                field: "vectors",
                value: error.to_string(),
                allowed: "matrices that fit",
            })
        };
        pieces.enumerate().try_for_each_init(Vec::new, work)?;
        Ok(cosines)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::text::{Aggregation, LikenessConfig};

    /// Parts of a sample, down to one document, give what the whole gives.
    #[test]
    fn cosines_are_those_of_likeness() {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let mut numbers =
            |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random::<f32>() - 0.5).collect() };
        for dimensions in [3, 300] {
            let (pool, targets) = (numbers(700 * dimensions), numbers(9 * dimensions));
            let [all, of] = [&pool, &targets].map(|one| Vectors::new(one, dimensions).unwrap());
            let config = LikenessConfig::new().with_aggregation(Aggregation::MeanCosine);
            let likeness = config.init(&all, &of).unwrap();
            let targets = TargetVectors::new(&of);
            assert_eq!((targets.count(), targets.dimensions()), (9, dimensions));
            let whole = targets.cosines(&all).unwrap();
            for (document, cosines) in whole.chunks(9).enumerate() {
                let best = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(best, likeness.best_cosines()[document]);
                let sum = cosines.iter().map(|one| f64::from(*one)).sum::<f64>();
                assert_eq!(sum / 9.0, likeness.scores()[document]);
            }
            let one = Vectors::new(&pool[..dimensions], dimensions).unwrap();
            assert_eq!(targets.cosines(&one).unwrap(), whole[..9]);
        }
        let targets = TargetVectors::new(&Vectors::new(&[1.0, 0.0], 2).unwrap());
        let zeros = Vectors::new(&[0.0, 0.0, 2.0, 0.0], 2).unwrap();
        assert_eq!(targets.cosines(&zeros).unwrap(), [0.0, 1.0]);
        assert!(targets.cosines(&Vectors::new(&[1.0], 1).unwrap()).is_err());
    }
}
