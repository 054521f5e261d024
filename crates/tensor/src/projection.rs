//! # Projection
//!
//! Seeded random projections of parameter space to a few dimensions, without the matrix.
//!
//! Source: Johnson and Lindenstrauss 1984; sparse signs after Achlioptas 2003 and Li et al. 2006; the folding is the count
//! sketch of Charikar, Chen and Farach-Colton 2002.

use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Result, TensorError};
use crate::param_vector::ParamVector;

mod drawn;
mod entries;

pub use drawn::Drawn;
pub use entries::Distribution;

use drawn::Plan;
use entries::{BLOCK, Entries};

/// A random linear map from parameter space to `dimensions` numbers.
///
/// `P x = R x / sqrt(dimensions)`, so that inner products are preserved in expectation. Entry
/// `(j, i)` of `R` depends only on the seed, the row `j` and the position `i` of the scalar in the
/// vector: the result does not depend on how the vector is cut into chunks or on what else is projected with it, and the
/// matrix is never held as a whole unless it fits into `memory`.
///
/// | field | default | range |
/// |---|---|---|
/// | `dimensions` | required | 1 or more |
/// | `seed` | required | any |
/// | `distribution` | Rademacher | see [`Distribution`] |
/// | `memory` | 1 GiB | bytes of the matrix that [`draw`](Self::draw) keeps on the device |
/// | `buckets` | none | 1 or more: see [`with_buckets`](Self::with_buckets) |
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_tensor::{ParamVector, Projection};
///
/// let weights = ParamVector::of(&LinearConfig::new(8, 8).init(&Device::flex()));
/// let projection = Projection::new(16, 42)?;
/// assert_eq!(projection.apply(&weights)?.dims(), [16]);
/// # Ok::<(), regimen_tensor::TensorError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Projection {
    #[serde(flatten)]
    entries: Entries,
    chunk: usize,
    #[serde(default = "memory")]
    memory: usize,
    #[serde(default)]
    buckets: Option<usize>,
}

fn memory() -> usize {
    1 << 30
}

impl Projection {
    /// A Rademacher projection to `dimensions` numbers.
    ///
    /// # Errors
    /// [`TensorError::OutOfRange`] if `dimensions` is 0.
    pub fn new(dimensions: usize, seed: u64) -> Result<Self> {
        if dimensions == 0 {
            return Err(TensorError::out_of_range("dimensions", 0, "1 or more"));
        }
        Ok(Self {
            entries: Entries {
                dimensions,
                seed,
                distribution: Distribution::Rademacher,
            },
            chunk: 16 * BLOCK,
            memory: memory(),
            buckets: None,
        })
    }

    /// With another law of the entries.
    ///
    /// # Errors
    /// [`TensorError::OutOfRange`] if a sparse law's `s` is below 1 or not finite.
    pub fn with_distribution(mut self, distribution: Distribution) -> Result<Self> {
        if let Distribution::Sparse { s } = distribution
            && !(s.is_finite() && s >= 1.0)
        {
            return Err(TensorError::out_of_range("s", s, "1 or more, finite"));
        }
        self.entries.distribution = distribution;
        Ok(self)
    }

    /// With chunks of about this many scalars: one block of the matrix takes `4 * dimensions * chunk` bytes.
    /// The result does not depend on it beyond rounding.
    #[must_use]
    pub fn with_chunk(mut self, scalars: usize) -> Self {
        self.chunk = scalars.div_ceil(BLOCK).max(1) * BLOCK;
        self
    }

    /// With so many bytes of the matrix kept on the device by [`draw`](Self::draw); blocks beyond are drawn at each use.
    /// The result does not depend on it.
    #[must_use]
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// With vectors of more than `buckets` scalars folded before they are projected: `P x = R S x / sqrt(dimensions)`.
    ///
    /// `S` adds the scalars up in `buckets` sums, each scalar with a random sign: it cuts the vector into pieces of
    /// `buckets` scalars, turns each piece by a random offset and adds them. Inner products are still preserved in
    /// expectation; their variance grows from `1 / dimensions` to at most `1 / dimensions + 1 / buckets` times the product
    /// of the squared norms (times two). The matrix has `buckets` columns however long the vector is, and a vector costs a pass
    /// over its scalars and `2 * buckets * dimensions` operations.
    ///
    /// # Errors
    /// [`TensorError::OutOfRange`] if `buckets` is 0.
    pub fn with_buckets(mut self, buckets: usize) -> Result<Self> {
        if buckets == 0 {
            return Err(TensorError::out_of_range("buckets", 0, "1 or more"));
        }
        self.buckets = Some(buckets);
        Ok(self)
    }

    /// The projection of vectors of `scalars` numbers, drawn on the host once and kept on `device`.
    ///
    /// ```
    /// use burn::tensor::{Device, FloatDType, Tensor};
    /// use regimen_tensor::Projection;
    ///
    /// let device = Device::flex();
    /// let drawn = Projection::new(16, 42)?.draw(1000, &device)?;
    /// let (one, many) = (Tensor::<2>::ones([1, 1000], &device), Tensor::<2>::ones([3, 1000], &device));
    /// assert_eq!((drawn.apply(one)?.dims(), drawn.apply(many)?.dims()), ([1, 16], [3, 16]));
    /// # Ok::<(), regimen_tensor::TensorError>(())
    /// ```
    ///
    /// # Errors
    /// [`TensorError::Empty`] if `scalars` is 0.
    pub fn draw(&self, scalars: usize, device: &Device) -> Result<Drawn> {
        self.drawn(scalars, device, self.memory)
    }

    fn drawn(&self, scalars: usize, device: &Device, memory: usize) -> Result<Drawn> {
        if scalars == 0 {
            return Err(TensorError::Empty("vector"));
        }
        let plan = Plan {
            chunk: self.chunk,
            memory,
            buckets: self.buckets,
        };
        Ok(Drawn::new(self.entries, &plan, scalars, device))
    }

    /// Projects a vector: `[dimensions]` in f32, on the vector's device.
    ///
    /// # Errors
    /// [`TensorError::Empty`] if the vector holds no parameter.
    pub fn apply(&self, vector: &ParamVector) -> Result<Tensor<1>> {
        let flat = vector.entries().iter();
        let flat = flat.map(|entry| entry.values.clone().cast(FloatDType::F32));
        if vector.is_empty() {
            return Err(TensorError::Empty("vector"));
        }
        let flat = Tensor::cat(flat.collect(), 0).reshape([1, vector.len()]);
        Ok(self.apply_rows(flat)?.reshape([self.entries.dimensions]))
    }

    /// Projects many vectors at once: rows `[vectors, scalars]`, each the flat values of a vector in the order of its
    /// entries, to `[vectors, dimensions]` in f32. The matrix is drawn once for all of them and dropped again: keep it by
    /// [`draw`](Self::draw) where more are to come.
    ///
    /// # Errors
    /// [`TensorError::Empty`] if there is no row or a row holds nothing.
    pub fn apply_rows(&self, rows: Tensor<2>) -> Result<Tensor<2>> {
        let [count, scalars] = rows.dims();
        if count == 0 || scalars == 0 {
            return Err(TensorError::Empty("rows"));
        }
        // Nothing is kept: one block at a time.
        self.drawn(scalars, &rows.device(), 0)?.apply(rows)
    }
}
