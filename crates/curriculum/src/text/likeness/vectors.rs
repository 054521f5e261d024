//! Vectors that lie side by side.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::error::{CurriculumError, Result, count};

/// The most numbers of a vector.
const MOST_DIMENSIONS: usize = 1 << 20;

/// Numbers that are looked at together for one that is not finite.
const CHECKED_AT_ONCE: usize = 1 << 14;

/// Vectors of one length, one after the other in memory: embeddings, as any encoder of the caller gives them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vectors<'a> {
    values: &'a [f32],
    dimensions: usize,
}

impl<'a> Vectors<'a> {
    /// `values.len() / dimensions` vectors.
    ///
    /// # Errors
    /// If there is no vector, `dimensions` is not in 1 to 2^20, the values are no whole number of vectors, or one is NaN or infinite.
    pub fn new(values: &'a [f32], dimensions: usize) -> Result<Self> {
        let good = (1..=MOST_DIMENSIONS).contains(&dimensions);
        count("dimensions", dimensions, good, "1 to 1048576 (2^20)")?;
        let good = !values.is_empty() && values.len().is_multiple_of(dimensions);
        let allowed = "a whole number of vectors, one or more";
        count("values", values.len(), good, allowed)?;
        // Piece by piece, without a branch for each number.
        let is_bad = |piece: &&[f32]| {
            let finite = piece.iter().map(|value| u32::from(value.is_finite()));
            finite.sum::<u32>() < piece.len() as u32
        };
        let bad = values.par_chunks(CHECKED_AT_ONCE).find_first(is_bad);
        let bad = bad.and_then(|piece| piece.iter().find(|value| !value.is_finite()));
        match bad {
            None => Ok(Self { values, dimensions }),
            Some(value) => Err(CurriculumError::OutOfRange {
                field: "values",
                value: value.to_string(),
                allowed: "finite numbers",
            }),
        }
    }

    /// Numbers of a vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many vectors there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.len() / self.dimensions
    }

    /// Each vector.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [f32]> {
        self.values.chunks_exact(self.dimensions)
    }

    /// Some of the vectors, by their places.
    pub(super) fn part(&self, from: usize, to: usize) -> &'a [f32] {
        let [from, to] = [from, to].map(|place| place * self.dimensions);
        &self.values[from..to]
    }
}

/// What brings each vector to the length 1; 0 for one of zeros.
pub(super) fn scales(vectors: &[f32], dimensions: usize) -> impl Iterator<Item = f64> {
    vectors.chunks_exact(dimensions).map(|vector| {
        // Squares in double precision: none overflows or vanishes.
        let (mut squares, eights) = ([0.0_f64; 8], vector.chunks_exact(8));
        let rest = eights.remainder().iter().copied().map(f64::from);
        let rest: f64 = rest.map(|value| value * value).sum();
        for eight in eights {
            for (sum, value) in squares.iter_mut().zip(eight) {
                *sum += f64::from(*value) * f64::from(*value);
            }
        }
        let length = (squares.iter().sum::<f64>() + rest).sqrt();
        if length > 0.0 { 1.0 / length } else { 0.0 }
    })
}

/// Vectors of some dimensions, what each is multiplied by, and the places for the products.
struct Products<'a, I>(&'a [f32], usize, I, &'a mut [f32]);

impl<I: IntoIterator<Item = f64>> WithSimd for Products<'_, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(vectors, dimensions, scales, out) = self;
        let (vectors, places) = (
            vectors.chunks_exact(dimensions),
            out.chunks_exact_mut(dimensions),
        );
        for ((vector, scale), out) in vectors.zip(scales).zip(places) {
            for (out, value) in out.iter_mut().zip(vector) {
                // Rounded once: equal directions stay equal whatever their lengths.
                *out = (f64::from(*value) * scale) as f32;
            }
        }
    }
}

/// Vectors times their [`scales`].
pub(super) fn scaled(
    vectors: &[f32],
    dimensions: usize,
    scales: impl IntoIterator<Item = f64>,
    out: &mut Vec<f32>,
) {
    out.resize(vectors.len(), 0.0);
    Arch::new().dispatch(Products(vectors, dimensions, scales, out));
}

/// Vectors of one length each; one of zeros stays.
pub(super) fn unit(vectors: &[f32], dimensions: usize, out: &mut Vec<f32>) {
    scaled(vectors, dimensions, scales(vectors, dimensions), out);
}
