//! Embeddings of a pool and of what is labelled, and their distances.

use burn::tensor::Tensor;

use super::probabilities::{check_finite, wide};
use crate::error::{Result, check_examples, count};

/// Numbers of a piece of a table of distances.
const PIECE: usize = 1 << 20;

/// What a model makes of each candidate of a pool, `[candidates, features]`, and of the examples that have labels.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::Embeddings;
///
/// let device = Device::default();
/// let pool = Embeddings::new(Tensor::<2>::from_data([[0.0, 1.0], [2.0, 3.0]], &device))?;
/// let pool = pool.with_labelled(Tensor::<2>::from_data([[0.0, 0.0]], &device))?;
/// assert_eq!((pool.candidates(), pool.labelled(), pool.features()), (2, 1, 2));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Embeddings {
    /// Without their mean, which distances do not have either: they lose fewer digits.
    pub(super) pool: Tensor<2>,
    mean: Tensor<2>,
    pub(super) labelled: Option<Tensor<2>>,
}

impl Embeddings {
    /// From `[candidates, features]`, with nothing labelled.
    ///
    /// # Errors
    /// If there is no candidate, more than 2^28, no feature, or a value that is not finite or so large that squares can't be summed.
    pub fn new(pool: Tensor<2>) -> Result<Self> {
        let [candidates, features] = pool.dims();
        check_examples(candidates)?;
        count("features", features, features > 0, "1 or more")?;
        let pool = wide(pool);
        check_finite("embeddings", pool.clone())?;
        let mean = pool.clone().mean_dim(0);
        Ok(Self {
            pool: pool - mean.clone(),
            mean,
            labelled: None,
        })
    }

    /// With these examples labelled, `[labelled, features]`; none is allowed.
    ///
    /// # Errors
    /// If they have other features or more than 2^28 rows, or a value that is not finite.
    pub fn with_labelled(mut self, labelled: Tensor<2>) -> Result<Self> {
        let [rows, features] = labelled.dims();
        let same = features == self.features();
        count("features", features, same, "those of the pool")?;
        if rows == 0 {
            self.labelled = None;
            return Ok(self);
        }
        check_examples(rows)?;
        let labelled = wide(labelled).cast(self.pool.dtype());
        check_finite("embeddings", labelled.clone())?;
        self.labelled = Some(labelled - self.mean.clone());
        Ok(self)
    }

    /// How many candidates.
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.pool.dims()[0]
    }

    /// How many examples have labels.
    #[must_use]
    pub fn labelled(&self) -> usize {
        self.labelled.as_ref().map_or(0, |rows| rows.dims()[0])
    }

    /// Numbers of an embedding.
    #[must_use]
    pub fn features(&self) -> usize {
        self.pool.dims()[1]
    }
}

/// Sums of squares of each row, `[rows, 1]`.
pub(super) fn squares(rows: Tensor<2>) -> Tensor<2> {
    rows.square().sum_dim(1)
}

/// Squared distances of rows to points, `[rows, points]`, with the rows' sums of squares; 0 where rounding would make them less.
pub(super) fn squared(rows: Tensor<2>, of_rows: Tensor<2>, points: Tensor<2>) -> Tensor<2> {
    let of_points = squares(points.clone()).swap_dims(0, 1);
    let products = rows.matmul(points.swap_dims(0, 1));
    (products * -2.0 + of_rows + of_points).clamp_min(0.0)
}

/// The squared distance of each row to the nearest of the points, `[rows, 1]`.
pub(super) fn squared_to_nearest(rows: &Tensor<2>, points: &Tensor<2>) -> Tensor<2> {
    let pieces = pieces(rows.dims()[0], points.dims()[0]).map(|(start, length)| {
        let part = rows.clone().narrow(0, start, length);
        squared(part.clone(), squares(part), points.clone()).min_dim(1)
    });
    Tensor::cat(pieces.collect(), 0)
}

/// Starts and lengths of pieces of so many rows, whose distances to so many points are a piece of memory.
pub(super) fn pieces(rows: usize, points: usize) -> impl Iterator<Item = (usize, usize)> {
    let piece = (PIECE / points).max(1);
    (0..rows)
        .step_by(piece)
        .map(move |start| (start, piece.min(rows - start)))
}
