//! Random numbers of a router, from its own seed and the number of calls so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// A stream of random tensors that can be stopped and gone on with: the n-th depends on the seed and `n` alone.
///
/// Clones share the count, as the clones of a module in training do.
#[derive(Debug, Clone)]
pub struct Noise {
    seed: u64,
    calls: Arc<AtomicU64>,
}

impl Noise {
    /// A stream from its start.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            calls: Arc::default(),
        }
    }

    /// How many tensors were drawn: save it with the model.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Goes on after this many tensors.
    pub fn resume(&self, calls: u64) {
        self.calls.store(calls, Ordering::Relaxed);
    }

    fn next(&self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.calls.fetch_add(1, Ordering::Relaxed));
        rng
    }

    /// Uniform from `1 - spread` to `1 + spread`.
    pub(super) fn uniform(&self, shape: [usize; 2], spread: f64, device: &Device) -> Tensor<2> {
        let (mut rng, spread) = (self.next(), spread as f32);
        let values =
            (0..shape[0] * shape[1]).map(|_| 1.0 + spread * (2.0 * rng.random::<f32>() - 1.0));
        Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
    }

    /// Standard normal.
    pub(super) fn normal(&self, shape: [usize; 2], device: &Device) -> Tensor<2> {
        let mut rng = self.next();
        let values = (0..shape[0] * shape[1]).map(|_| rng.sample::<f32, _>(StandardNormal));
        Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
    }
}
