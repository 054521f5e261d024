//! Limits of the machine, which the benches compare with.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};

/// What this machine can do at most, measured when the benches start.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes read plus written a second, by an elementwise sum of two large tensors.
    pub bandwidth: f64,
    /// Floating-point operations a second, by a 1024 x 1024 matrix product.
    pub matmul: f64,
}

impl Limits {
    /// Measures the device: the best of several passes.
    #[must_use]
    pub fn measure(device: &Device) -> Self {
        let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, device);
        let (a, b) = (random([4096, 4096]), random([4096, 4096]));
        let add = best(|| a.clone() + b.clone());
        let (c, d) = (random([1024, 1024]), random([1024, 1024]));
        let product = best(|| c.clone().matmul(d.clone()));
        Self {
            bandwidth: 3.0 * 4.0 * 4096.0 * 4096.0 / add,
            matmul: 2.0 * 1024.0_f64.powi(3) / product,
        }
    }

    /// The share of the bandwidth that `bytes` in `seconds` reach.
    #[must_use]
    pub fn of_bandwidth(&self, bytes: f64, seconds: f64) -> f64 {
        bytes / seconds / self.bandwidth
    }

    /// The share of the matrix-product rate that `operations` in `seconds` reach.
    #[must_use]
    pub fn of_matmul(&self, operations: f64, seconds: f64) -> f64 {
        operations / seconds / self.matmul
    }
}

/// The least time of several passes, in seconds; reading one value waits for the device.
pub fn best(mut pass: impl FnMut() -> Tensor<2>) -> f64 {
    let times = (0..7).map(|_| {
        let start = Instant::now();
        let _ = pass().slice([0..1, 0..1]).into_scalar::<f32>();
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}
