//! # Projection
//!
//! Seeded random projections of parameter space to a few dimensions, without the matrix.
//!
//! Source: Johnson and Lindenstrauss 1984; sparse signs after Achlioptas 2003 and Li et al. 2006; the folding is the count
//! sketch of Charikar, Chen and Farach-Colton 2002.

use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use crate::checked::Checked;
use crate::error::{Result, TensorError};
use crate::param_vector::ParamVector;
use crate::watch::Watch;

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
/// | `dimensions` | required | 1 to 262,144 |
/// | `seed` | required | any |
/// | `distribution` | Rademacher | see [`Distribution`] |
/// | `chunk` | 16,384 | see [`with_chunk`](Self::with_chunk) |
/// | `memory` | 1 GiB | bytes of the matrix, and as many of the folding, that [`draw`](Self::draw) keeps on the device |
/// | `buckets` | none | 1 or more: see [`with_buckets`](Self::with_buckets) |
///
/// What is read from a file is checked by the same ranges.
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
#[serde(remote = "Self")]
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

/// With these a block of the smallest chunk takes a gigabyte.
const MOST_DIMENSIONS: usize = 1 << 18;

/// Positions of a chunk: beyond, only the length of the vector counts.
const LONGEST_CHUNK: usize = 1 << 30;

/// Entries of a block of the matrix: a gigabyte.
const BLOCK_ENTRIES: usize = 1 << 28;

/// Scalars of a vector: each has a random number of its own for every row.
const MOST_SCALARS: usize = 1 << 42;

impl Checked for Projection {
    type Error = TensorError;

    fn check(&self) -> Result<()> {
        let dimensions = self.entries.dimensions;
        if dimensions == 0 || dimensions > MOST_DIMENSIONS {
            let allowed = format!("1 to {MOST_DIMENSIONS}");
            return Err(TensorError::out_of_range("dimensions", dimensions, allowed));
        }
        self.entries.distribution.check()?;
        if self.chunk == 0 || self.chunk > LONGEST_CHUNK || !self.chunk.is_multiple_of(BLOCK) {
            let allowed = format!("a multiple of {BLOCK} up to {LONGEST_CHUNK}");
            return Err(TensorError::out_of_range("chunk", self.chunk, allowed));
        }
        if self.buckets == Some(0) {
            return Err(TensorError::out_of_range("buckets", 0, "1 or more"));
        }
        Ok(())
    }
}

crate::checked_serde!(Projection);

impl Projection {
    /// A Rademacher projection to `dimensions` numbers.
    ///
    /// # Errors
    /// [`TensorError::OutOfRange`] if `dimensions` is 0 or above 262,144.
    pub fn new(dimensions: usize, seed: u64) -> Result<Self> {
        let new = Self {
            entries: Entries {
                dimensions,
                seed,
                distribution: Distribution::Rademacher,
            },
            chunk: 16 * BLOCK,
            memory: memory(),
            buckets: None,
        };
        new.checked()
    }

    /// With another law of the entries.
    ///
    /// # Errors
    /// [`TensorError::OutOfRange`] if a sparse law's `s` is below 1 or not finite.
    pub fn with_distribution(mut self, distribution: Distribution) -> Result<Self> {
        self.entries.distribution = distribution.checked()?;
        Ok(self)
    }

    /// With chunks of about this many scalars, 1,024 at least: one block of the matrix takes `4 * dimensions * chunk` bytes, a gigabyte
    /// at most (then chunks are shorter). The result does not depend on it beyond rounding.
    #[must_use]
    pub fn with_chunk(mut self, scalars: usize) -> Self {
        let scalars = scalars.clamp(1, LONGEST_CHUNK);
        self.chunk = scalars.div_ceil(BLOCK) * BLOCK;
        self
    }

    /// With so many bytes of the matrix kept on the device by [`draw`](Self::draw), and as many of the folding; what is beyond is drawn at
    /// each use. The result does not depend on it.
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
    /// [`TensorError::Empty`] if `scalars` is 0, [`TensorError::OutOfRange`] if it is above 2^42.
    pub fn draw(&self, scalars: usize, device: &Device) -> Result<Drawn> {
        self.draw_watched(scalars, device, &Watch::default())
    }

    /// As [`draw`](Self::draw); `watch` hears of each block of the matrix and of the folding that is drawn to be kept. Where it stops the work, what
    /// is left is drawn at each use, as what `memory` has no place for: the result is the same.
    ///
    /// # Errors
    /// As for [`draw`](Self::draw).
    pub fn draw_watched(&self, scalars: usize, device: &Device, watch: &Watch) -> Result<Drawn> {
        self.drawn(scalars, device, self.memory, watch)
    }

    fn drawn(
        &self,
        scalars: usize,
        device: &Device,
        memory: usize,
        watch: &Watch,
    ) -> Result<Drawn> {
        if scalars == 0 {
            return Err(TensorError::Empty("vector"));
        }
        if scalars > MOST_SCALARS {
            let allowed = format!("1 to {MOST_SCALARS}");
            return Err(TensorError::out_of_range("scalars", scalars, allowed));
        }
        let fits = BLOCK_ENTRIES / self.entries.dimensions / BLOCK * BLOCK;
        let plan = Plan {
            chunk: self.chunk.min(fits.max(BLOCK)),
            memory,
            buckets: self.buckets,
        };
        Ok(Drawn::new(self.entries, &plan, scalars, device, watch))
    }

    /// Projects a vector: `[dimensions]` in f32, on the vector's device.
    ///
    /// # Errors
    /// [`TensorError::Empty`] if the vector holds no parameter.
    pub fn apply(&self, vector: &ParamVector) -> Result<Tensor<1>> {
        self.apply_watched(vector, &Watch::default())
    }

    /// As [`apply`](Self::apply), watched as [`Drawn::apply_watched`].
    ///
    /// # Errors
    /// As for [`apply`](Self::apply), and [`TensorError::Stopped`] where the watch stops it.
    pub fn apply_watched(&self, vector: &ParamVector, watch: &Watch) -> Result<Tensor<1>> {
        let flat = vector.entries().iter();
        let flat = flat.map(|entry| entry.values.clone().cast(FloatDType::F32));
        if vector.is_empty() {
            return Err(TensorError::Empty("vector"));
        }
        let flat = Tensor::cat(flat.collect(), 0).reshape([1, vector.len()]);
        let projected = self.apply_rows_watched(flat, watch)?;
        Ok(projected.reshape([self.entries.dimensions]))
    }

    /// Projects many vectors at once: rows `[vectors, scalars]`, each the flat values of a vector in the order of its
    /// entries, to `[vectors, dimensions]` in f32. The matrix is drawn once for all of them and dropped again: keep it by
    /// [`draw`](Self::draw) where more are to come.
    ///
    /// # Errors
    /// [`TensorError::Empty`] if there is no row or a row holds nothing.
    pub fn apply_rows(&self, rows: Tensor<2>) -> Result<Tensor<2>> {
        self.apply_rows_watched(rows, &Watch::default())
    }

    /// As [`apply_rows`](Self::apply_rows), watched as [`Drawn::apply_watched`].
    ///
    /// # Errors
    /// As for [`apply_rows`](Self::apply_rows), and [`TensorError::Stopped`] where the watch stops it.
    pub fn apply_rows_watched(&self, rows: Tensor<2>, watch: &Watch) -> Result<Tensor<2>> {
        let [count, scalars] = rows.dims();
        if count == 0 || scalars == 0 {
            return Err(TensorError::Empty("rows"));
        }
        // Nothing is kept: one block at a time.
        let drawn = self.drawn(scalars, &rows.device(), 0, &Watch::default())?;
        drawn.apply_watched(rows, watch)
    }
}
