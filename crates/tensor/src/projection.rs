//! # Projection
//!
//! Seeded random projections of parameter space to a few dimensions, without the matrix.
//!
//! Source: Johnson and Lindenstrauss 1984; sparse signs after Achlioptas 2003 and Li et al. 2006.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::error::{Result, TensorError};
use crate::param_vector::ParamVector;

/// The law of the entries of a projection; each has mean 0 and variance 1 before scaling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Distribution {
    /// Plus or minus one, each with probability 1/2.
    Rademacher,
    /// The standard normal.
    Gaussian,
    /// Zero with probability `1 - 1/s`, else plus or minus `sqrt(s)`; `s = 3` is Achlioptas's.
    Sparse {
        /// One entry in `s` is not zero, `s >= 1`.
        s: f64,
    },
}

/// A random linear map from parameter space to `dimensions` numbers.
///
/// `P x = R x / sqrt(dimensions)`, so that inner products are preserved in expectation. Entry
/// `(j, i)` of `R` depends only on the seed, the row `j` and the position `i` of the scalar in the
/// vector: the result does not depend on how the vector is cut into chunks, and the matrix is
/// never held as a whole.
///
/// | field | default | range |
/// |---|---|---|
/// | `dimensions` | required | 1 or more |
/// | `seed` | required | any |
/// | `distribution` | Rademacher | see [`Distribution`] |
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
    dimensions: usize,
    seed: u64,
    distribution: Distribution,
    chunk: usize,
}

/// The positions that share one generator; a chunk that is asked for always starts at a block.
const BLOCK: usize = 1024;

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
            dimensions,
            seed,
            distribution: Distribution::Rademacher,
            chunk: 16 * BLOCK,
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
        self.distribution = distribution;
        Ok(self)
    }

    /// With chunks of about this many scalars: the memory held is `4 * dimensions * chunk` bytes.
    /// The result does not depend on it beyond rounding.
    #[must_use]
    pub fn with_chunk(mut self, scalars: usize) -> Self {
        self.chunk = scalars.div_ceil(BLOCK).max(1) * BLOCK;
        self
    }

    /// Projects a vector: `[dimensions]`, on the vector's device.
    ///
    /// # Errors
    /// [`TensorError::Empty`] if the vector holds no parameter.
    pub fn apply(&self, vector: &ParamVector) -> Result<Tensor<1>> {
        let device = match vector.entries().first() {
            Some(entry) => entry.values.device(),
            None => return Err(TensorError::Empty("vector")),
        };
        let flat = vector.entries().iter().map(|entry| entry.values.clone());
        let flat = Tensor::cat(flat.collect(), 0).reshape([1, vector.len()]);
        Ok(self.project(flat, &device).reshape([self.dimensions]))
    }

    /// Projects many vectors at once: rows `[vectors, scalars]`, each the flat values of a vector in the order of its
    /// entries, to `[vectors, dimensions]`. The matrix is drawn once for all of them.
    ///
    /// # Errors
    /// [`TensorError::Empty`] if there is no row or a row holds nothing.
    pub fn apply_rows(&self, rows: Tensor<2>) -> Result<Tensor<2>> {
        let [count, scalars] = rows.dims();
        if count == 0 || scalars == 0 {
            return Err(TensorError::Empty("rows"));
        }
        let device = rows.device();
        Ok(self.project(rows, &device))
    }

    fn project(&self, rows: Tensor<2>, device: &Device) -> Tensor<2> {
        let [count, total] = rows.dims();
        let mut sum = Tensor::<2>::zeros([count, self.dimensions], device);
        for start in (0..total).step_by(self.chunk) {
            let length = self.chunk.min(total - start);
            let matrix = TensorData::new(self.rows(start, length), [self.dimensions, length]);
            let matrix = Tensor::<2>::from_data(matrix, device).transpose();
            sum = sum + rows.clone().narrow(1, start, length).matmul(matrix);
        }
        sum * (self.dimensions as f64).sqrt().recip()
    }

    /// Columns `start..start + length` of `R`, row-major; `start` is a multiple of the block.
    fn rows(&self, start: usize, length: usize) -> Vec<f32> {
        let mut rows = Vec::with_capacity(self.dimensions * length);
        for row in 0..self.dimensions {
            for block in (start..start + length).step_by(BLOCK) {
                let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
                rng.set_stream(((row as u64) << 32) | (block / BLOCK) as u64);
                let count = BLOCK.min(start + length - block);
                rows.extend((0..count).map(|_| self.entry(&mut rng)));
            }
        }
        rows
    }

    fn entry(&self, rng: &mut ChaCha8Rng) -> f32 {
        let sign = |rng: &mut ChaCha8Rng| if rng.random::<bool>() { 1.0 } else { -1.0 };
        match self.distribution {
            Distribution::Rademacher => sign(rng),
            Distribution::Gaussian => rng.sample(StandardNormal),
            Distribution::Sparse { s } => {
                let nonzero = rng.random::<f64>() < 1.0 / s;
                let value = sign(rng) * s.sqrt() as f32;
                if nonzero { value } else { 0.0 }
            }
        }
    }
}
