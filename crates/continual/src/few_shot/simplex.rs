//! # simplex_etf
//!
//! Targets of classes that are as far from each other as directions can be, set before training.
//!
//! Source: Yang et al., "Neural Collapse Inspired Feature-Classifier Alignment for Few-Shot Class Incremental Learning" (NC-FSCIL, arXiv
//! 2302.03004), the frame and the dot regression.

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use regimen_tensor::linalg::DMatrix;
use regimen_tensor::per_example::at_label;

use crate::error::check;
use crate::methods::unit;
use crate::{ContinualError, Result};

/// Directions at most: their basis is found on the host.
const MOST: usize = 1 << 12;

/// A simplex equiangular tight frame: `count` directions of length 1, `[width, count]` in f32, of which every two have the cosine `-1 / (count - 1)`.
///
/// `M = sqrt(K / (K - 1)) R B^T`, where `R` `[width, K - 1]` has random orthonormal columns, by the QR decomposition of a matrix of normal
/// numbers from the seed, and `B` `[K, K - 1]` is the Helmert basis of what is orthogonal to a vector of ones. The columns sum to 0. It
/// needs `width >= count - 1`: with the form `U (I - 1 1^T / K)` of the paper it would be `width >= count`.
///
/// ```
/// use burn::tensor::Device;
/// use regimen_continual::few_shot::simplex_etf;
///
/// let etf = simplex_etf(4, 3, 0, &Device::flex())?;
/// let cosines: Vec<f32> = etf.clone().transpose().matmul(etf).try_into_vec_as().unwrap();
/// assert!((cosines[0] - 1.0).abs() < 1e-6 && (cosines[1] + 1.0 / 3.0).abs() < 1e-6);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If `count` is not 2 to `width + 1`, or `width` is more than 4,096.
pub fn simplex_etf(count: usize, width: usize, seed: u64, device: &Device) -> Result<Tensor<2>> {
    check("width", width as f64, width <= MOST, "1 to 4,096")?;
    let fits = (2..=width.saturating_add(1)).contains(&count);
    let allowed = "2 to `width + 1`: a simplex of K directions needs a width of K - 1";
    check("count", count as f64, fits, allowed)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let drawn: Vec<f64> = (0..width * (count - 1))
        .map(|_| rng.sample::<f64, _>(StandardNormal))
        .collect();
    let rotation = DMatrix::from_vec(width, count - 1, drawn).qr().q();
    // Column k of the basis: k + 1 equal entries, one that balances them, and zeros.
    let helmert = DMatrix::from_fn(count, count - 1, |row, column| {
        let length = ((column + 1) as f64 * (column + 2) as f64).sqrt();
        match row {
            row if row <= column => 1.0 / length,
            row if row == column + 1 => -((column + 1) as f64) / length,
            _ => 0.0,
        }
    });
    let scale = (count as f64 / (count - 1) as f64).sqrt();
    let frame = rotation * helmert.transpose() * scale;
    // `nalgebra` stores columns; rows are wanted.
    let rows = frame.transpose();
    let values: Vec<f32> = rows.iter().map(|value| *value as f32).collect();
    let to = (device, FloatDType::F32.into());
    Ok(Tensor::from_data(
        TensorData::new(values, [width, count]),
        to,
    ))
}

/// `mean 1/2 (m_y . v - 1)^2`, `[1]`, in f32: features `[batch, width]`, brought to length 1, against the target `m_y` of their label among targets
/// `[width, classes]`, whose lengths are 1. Only the own class pulls: there is nothing to push. NC-FSCIL takes it ten times.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_continual::few_shot::dot_regression;
///
/// let device = Device::flex();
/// let target = Tensor::<2>::from_data([[1.0], [0.0], [0.0]], &device);
/// let features = Tensor::<2>::from_data([[0.8, 0.6, 0.0]], &device);
/// let loss = dot_regression(features, target, Tensor::<1, Int>::from_data([0], &device))?;
/// assert!((loss.into_scalar::<f32>() - 0.02).abs() < 1e-7);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If shapes do not fit. A label without a target makes the loss NaN.
pub fn dot_regression(
    features: Tensor<2>,
    targets: Tensor<2>,
    labels: Tensor<1, Int>,
) -> Result<Tensor<1>> {
    let ([rows, found], [expected, _]) = (features.dims(), targets.dims());
    if found != expected {
        let what = "width of the features";
        return Err(ContinualError::mismatch(what, expected, found));
    }
    let [found] = labels.dims();
    if found != rows {
        return Err(ContinualError::mismatch("labels", rows, found));
    }
    let features = unit(features.cast(FloatDType::F32), 1);
    let cosines = at_label(features.matmul(targets.cast(FloatDType::F32)), labels);
    Ok((cosines - 1.0).square().mean() * 0.5)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dot_regression_by_hand() {
        let device = Device::flex();
        let loss = |weight: f64| {
            let target = Tensor::<2>::from_data([[1.0], [0.0], [0.0]], &device);
            let features = Tensor::<2>::from_data([[0.8, 0.6, 0.0]], &device);
            let labels = Tensor::<1, Int>::from_data([0], &device);
            let loss = dot_regression(features, target, labels).unwrap() * weight;
            loss.into_scalar::<f32>()
        };
        assert_relative_eq!(loss(1.0), 0.02, epsilon = 1e-7);
        assert_relative_eq!(loss(10.0), 0.2, epsilon = 1e-6);
    }

    proptest! {
        /// Lengths 1, all cosines `-1 / (K - 1)`, and a sum of 0, also where the width is one less than the directions.
        #[test]
        fn every_pair_has_the_same_angle(count in 2_usize..12, more in 0_usize..9, seed in any::<u64>()) {
            let etf = simplex_etf(count, count - 1 + more, seed, &Device::flex()).unwrap();
            let gram = etf.clone().transpose().matmul(etf.clone());
            let gram: Vec<f32> = gram.try_into_vec_as().unwrap();
            for (place, value) in gram.into_iter().enumerate() {
                let same = place / count == place % count;
                let expected = if same { 1.0 } else { -1.0 / (count as f32 - 1.0) };
                prop_assert!((value - expected).abs() < 1e-5, "{value} for {expected}");
            }
            let sums: Vec<f32> = etf.sum_dim(1).try_into_vec_as().unwrap();
            prop_assert!(sums.iter().all(|sum| sum.abs() < 1e-5));
        }
    }

    #[test]
    fn too_many_directions_are_refused() {
        let device = Device::flex();
        for (count, width) in [(1, 4), (6, 4), (2, 0), (2, usize::MAX)] {
            assert!(simplex_etf(count, width, 0, &device).is_err());
        }
        let two: Vec<f32> = simplex_etf(2, 1, 3, &device)
            .unwrap()
            .try_into_vec_as()
            .unwrap();
        assert_relative_eq!(two[0], -two[1]);
    }
}
