//! The entries of a projection's matrix, and of the folding before it, drawn on the host.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::checked::Checked;
use crate::error::{Result, TensorError};

/// The law of the entries of a projection; each has mean 0 and variance 1 before scaling.
///
/// What is read is checked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
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

impl Checked for Distribution {
    type Error = TensorError;

    fn check(&self) -> Result<()> {
        match self {
            Self::Sparse { s } if !(s.is_finite() && *s >= 1.0) => {
                Err(TensorError::out_of_range("s", s, "1 or more, finite"))
            }
            _ => Ok(()),
        }
    }
}

crate::checked_serde!(Distribution);

/// The positions that share one generator; a chunk that is asked for always starts at a block.
pub(super) const BLOCK: usize = 1024;

/// Streams of the folding: no row of the matrix has the number 2^31.
const FOLDING: u64 = 1 << 63;

/// What a draw depends on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entries {
    pub(super) dimensions: usize,
    pub(super) seed: u64,
    pub(super) distribution: Distribution,
}

impl Entries {
    /// Columns `start..start + length` of `R`, row-major; `start` is a multiple of the block.
    pub(super) fn rows(&self, start: usize, length: usize) -> Vec<f32> {
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

    /// The piece number `piece` of a vector in buckets: for each bucket the position in the piece that falls into it, and
    /// its sign, 0 where the piece (of `length` scalars, `buckets` at most) has none. Pieces are turned by a random offset.
    pub(super) fn folding(
        &self,
        piece: usize,
        length: usize,
        buckets: usize,
    ) -> (Vec<i64>, Vec<f32>) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(FOLDING | piece as u64);
        let offset = rng.random_range(0..buckets);
        let mut bits = 0_u64;
        let mut sign = |bucket: usize| {
            if bucket.is_multiple_of(64) {
                bits = rng.next_u64();
            }
            let sign = if bits & 1 == 1 { 1.0 } else { -1.0 };
            bits >>= 1;
            sign
        };
        let place = |bucket: usize| {
            let position = (bucket + offset) % buckets;
            let sign = sign(bucket);
            if position < length {
                (position as i64, sign)
            } else {
                (0, 0.0)
            }
        };
        (0..buckets).map(place).unzip()
    }
}
