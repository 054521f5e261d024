//! Limits of the machine, which the benches compare with.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// What this machine can do at most, measured when the benches start.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes read plus written a second: on the host by copies between buffers that were used before, on another device by an elementwise sum of
    /// two large tensors.
    pub bandwidth: f64,
    /// Floating-point operations a second, by square products of several sizes: Burn's, and on the host those of `faer` too.
    pub matmul: f64,
}

/// Sides of the products that are tried.
const SIDES: [usize; 3] = [512, 1024, 2048];

impl Limits {
    /// Measures the device: the best of several passes.
    #[must_use]
    pub fn measure(device: &Device) -> Self {
        let device = if device.is_autodiff() {
            device.clone().inner()
        } else {
            device.clone()
        };
        let by_tensors = SIDES.map(|side| operations(side) / tensor_product(side, &device));
        let matmul = by_tensors.into_iter().fold(0.0, f64::max);
        if is_host(&device) {
            let on_host = SIDES.map(|side| operations(side) / host_product(side));
            return Self {
                bandwidth: host_bandwidth(),
                matmul: on_host.into_iter().fold(matmul, f64::max),
            };
        }
        let random = || Tensor::<2>::random([4096, 4096], Distribution::Default, &device);
        let (a, b) = (random(), random());
        Self {
            bandwidth: 3.0 * 4.0 * 4096.0 * 4096.0 / best(|| a.clone() + b.clone()),
            matmul,
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

/// Whether tensors of this device lie in the memory of the host, on all of whose cores they are worked on.
fn is_host(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    let found = *device == Device::flex();
    #[cfg(not(feature = "flex"))]
    let found = {
        let _ = device;
        false
    };
    found
}

/// Multiplications and additions of a square product.
fn operations(side: usize) -> f64 {
    2.0 * (side as f64).powi(3)
}

fn tensor_product(side: usize, device: &Device) -> f64 {
    let random = || Tensor::<2>::random([side, side], Distribution::Default, device);
    let (a, b) = (random(), random());
    best(|| a.clone().matmul(b.clone()))
}

/// The least time of several passes on the host, in seconds.
fn least(mut pass: impl FnMut()) -> f64 {
    let times = (0..7).map(|_| {
        let start = Instant::now();
        pass();
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

fn host_product(side: usize) -> f64 {
    let numbers = |step: usize| (0..side * side).map(move |place| ((place * step) % 97) as f32);
    let (a, b): (Vec<f32>, Vec<f32>) = (numbers(31).collect(), numbers(57).collect());
    let mut out = vec![0.0_f32; side * side];
    least(|| {
        let [a, b] = [&a, &b].map(|all| MatRef::from_row_major_slice(all, side, side));
        let out = MatMut::from_row_major_slice_mut(&mut out, side, side);
        faer::linalg::matmul::matmul(out, Accum::Replace, a, b, 1.0, Par::rayon(0));
    })
}

/// Copies of 64 MiB on all cores, between buffers whose pages are there.
fn host_bandwidth() -> f64 {
    const NUMBERS: usize = 1 << 24;
    const PIECE: usize = 1 << 16;
    let from = vec![1.0_f32; NUMBERS];
    let mut to = vec![2.0_f32; NUMBERS];
    let seconds = least(|| {
        let pieces = to.par_chunks_mut(PIECE).zip(from.par_chunks(PIECE));
        pieces.for_each(|(to, from)| to.copy_from_slice(from));
        std::hint::black_box(&mut to);
    });
    2.0 * 4.0 * NUMBERS as f64 / seconds
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
