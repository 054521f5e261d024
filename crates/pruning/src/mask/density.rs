//! # density
//!
//! Layer densities at a given overall density: Erdos-Renyi kernel, Erdos-Renyi, uniform; exact counts and random masks.
//!
//! Source: Evci et al., "Rigging the Lottery" (arXiv 1911.11134), section 3; Mocanu et al., "Scalable training of
//! artificial neural networks with adaptive sparse connectivity" (arXiv 1707.04780).

use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::fraction;
use crate::{PruningError, Result};

/// How an overall density is shared out over the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Layout {
    /// [`erdos_renyi_kernel`].
    Erk,
    /// [`erdos_renyi`].
    ErdosRenyi,
    /// [`uniform`].
    Uniform,
}

impl Layout {
    /// The density of each layer.
    ///
    /// # Errors
    /// As the function of that name.
    pub fn densities(self, shapes: &[Vec<usize>], density: f64) -> Result<Vec<f64>> {
        match self {
            Self::Erk => erdos_renyi_kernel(shapes, density),
            Self::ErdosRenyi => erdos_renyi(shapes, density),
            Self::Uniform => uniform(shapes, density),
        }
    }
}

/// Erdos-Renyi kernel: `d_l = eps * (sum of the shape) / (product of the shape)`, layers that would
/// exceed 1 are dense and `eps` makes the rest come out at the overall `density` in [0, 1].
///
/// ```
/// let shapes = [vec![256, 64], vec![256, 256], vec![10, 256]];
/// let d = regimen_pruning::mask::density::erdos_renyi_kernel(&shapes, 0.02)?;
/// assert!((d[0] - 0.030055).abs() < 1e-6 && (d[2] - 0.159891).abs() < 1e-6);
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
///
/// # Errors
/// If `density` is out of range or there is no weight.
pub fn erdos_renyi_kernel(shapes: &[Vec<usize>], density: f64) -> Result<Vec<f64>> {
    let raw = shapes.iter().map(|shape| {
        let sum: f64 = shape.iter().map(|side| *side as f64).sum();
        sum / size(shape) as f64
    });
    balance(shapes, raw.collect(), density)
}

/// Erdos-Renyi: as the kernel variant with `(n_in + n_out) / (n_in * n_out)`, whatever the kernel's size.
///
/// # Errors
/// If `density` is out of range or there is no weight.
pub fn erdos_renyi(shapes: &[Vec<usize>], density: f64) -> Result<Vec<f64>> {
    balance(shapes, shapes.iter().map(|s| ends(s)).collect(), density)
}

/// Erdos-Renyi of SET for a given `epsilon` > 0: `min(1, epsilon * (n_in + n_out) / (n_in * n_out))`.
///
/// # Errors
/// If `epsilon` is not positive and finite, or there is no weight.
pub fn erdos_renyi_epsilon(shapes: &[Vec<usize>], epsilon: f64) -> Result<Vec<f64>> {
    check(shapes)?;
    if !(epsilon.is_finite() && epsilon > 0.0) {
        return Err(PruningError::range(
            "epsilon",
            epsilon,
            "finite and above 0",
        ));
    }
    let layers = shapes.iter();
    Ok(layers
        .map(|shape| (epsilon * ends(shape)).min(1.0))
        .collect())
}

/// The same `density` in [0, 1] everywhere.
///
/// # Errors
/// If `density` is out of range or there is no weight.
pub fn uniform(shapes: &[Vec<usize>], density: f64) -> Result<Vec<f64>> {
    check(shapes)?;
    fraction("density", density, true)?;
    Ok(vec![density; shapes.len()])
}

/// Active weights of each layer, summing exactly to `floor` of all weights times their densities: the
/// layers with the largest fractions get one more.
#[must_use]
pub fn counts(shapes: &[Vec<usize>], densities: &[f64]) -> Vec<usize> {
    let sizes: Vec<usize> = shapes.iter().map(|shape| size(shape)).collect();
    let exact: Vec<f64> = sizes
        .iter()
        .zip(densities)
        .map(|(n, d)| *n as f64 * d)
        .collect();
    let mut counts: Vec<usize> = exact.iter().map(|x| floor(*x)).collect();
    let total = floor(exact.iter().sum());
    let mut order: Vec<usize> = (0..counts.len()).collect();
    let fraction = |layer: usize| exact[layer] - counts[layer] as f64;
    order.sort_by(|a, b| fraction(*b).total_cmp(&fraction(*a)));
    let given = counts
        .iter()
        .fold(0_usize, |sum, count| sum.saturating_add(*count));
    let mut left = total.saturating_sub(given);
    for layer in order {
        if left > 0 && counts[layer] < sizes[layer] {
            counts[layer] += 1;
            left -= 1;
        }
    }
    counts
}

/// Random masks with exactly `counts[l]` of `sizes[l]` active weights; the same seed, the same masks.
///
/// # Errors
/// If a count exceeds its size or the lengths differ.
pub fn random(sizes: &[usize], counts: &[usize], seed: u64) -> Result<Vec<Vec<bool>>> {
    if sizes.len() != counts.len() {
        let allowed = format!("{}, one a layer", sizes.len());
        return Err(PruningError::range("counts.len()", counts.len(), &allowed));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let layers = sizes.iter().zip(counts).map(|(size, count)| {
        if count > size {
            return Err(PruningError::range(
                "counts",
                count,
                &format!("0 to {size}"),
            ));
        }
        let mut mask = Vec::new();
        mask.try_reserve_exact(*size)
            .map_err(|_| PruningError::range("sizes", size, "as many flags as fit in memory"))?;
        mask.resize(*size, false);
        for index in sample(&mut rng, *size, *count) {
            mask[index] = true;
        }
        Ok(mask)
    });
    layers.collect()
}

/// Weights that remain of `total` at a sparsity: `floor(total * (1 - sparsity))`, rounding noise aside.
#[must_use]
pub fn keep(total: usize, sparsity: f64) -> usize {
    floor(total as f64 * (1.0 - sparsity)).min(total)
}

pub(crate) fn floor(x: f64) -> usize {
    (x + 1e-6).floor().max(0.0) as usize
}

pub(crate) fn ceil(x: f64) -> usize {
    (x - 1e-6).ceil().max(0.0) as usize
}

fn size(shape: &[usize]) -> usize {
    shape
        .iter()
        .fold(1, |size, side| size.saturating_mul(*side))
}

fn ends(shape: &[usize]) -> f64 {
    let (a, b) = (shape.first().copied(), shape.get(1).copied());
    let (a, b) = (a.unwrap_or(1) as f64, b.unwrap_or(1) as f64);
    (a + b) / (a * b)
}

fn check(shapes: &[Vec<usize>]) -> Result<()> {
    let sizes = shapes.iter().map(|shape| {
        let size = shape
            .iter()
            .try_fold(1_usize, |n, side| n.checked_mul(*side));
        size.filter(|size| *size > 0)
    });
    let total = sizes.reduce(|sum, size| sum?.checked_add(size?)).flatten();
    if total.is_none() {
        let allowed = "at least one shape, each of at least 1 weight, that fit in memory together";
        return Err(PruningError::range(
            "shapes",
            format!("{shapes:?}"),
            allowed,
        ));
    }
    Ok(())
}

fn balance(shapes: &[Vec<usize>], raw: Vec<f64>, density: f64) -> Result<Vec<f64>> {
    check(shapes)?;
    fraction("density", density, true)?;
    let mut dense = vec![false; raw.len()];
    loop {
        let (mut budget, mut weight, mut largest) = (0.0, 0.0, 0.0_f64);
        for (layer, shape) in shapes.iter().enumerate() {
            let n = size(shape) as f64;
            if dense[layer] {
                budget -= n * (1.0 - density);
            } else {
                budget += n * density;
                weight += n * raw[layer];
                largest = largest.max(raw[layer]);
            }
        }
        if weight == 0.0 {
            return Ok(vec![1.0; raw.len()]);
        }
        let eps = budget / weight;
        if largest * eps <= 1.0 {
            let densities = raw.iter().zip(&dense);
            return Ok(densities
                .map(|(r, d)| if *d { 1.0 } else { r * eps })
                .collect());
        }
        for (dense, raw) in dense.iter_mut().zip(&raw) {
            *dense |= *raw == largest;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    fn mlp() -> Vec<Vec<usize>> {
        vec![vec![256, 64], vec![256, 256], vec![10, 256]]
    }

    #[test]
    fn erk_mlp_densities() {
        for (density, expected) in [
            (0.5, [0.93149, 0.372596, 1.0]),
            (0.1, [0.150273, 0.060109, 0.799454]),
            (0.02, [0.030055, 0.012022, 0.159891]),
        ] {
            let found = erdos_renyi_kernel(&mlp(), density).unwrap();
            for (f, e) in found.iter().zip(expected) {
                assert_abs_diff_eq!(*f, e, epsilon = 1e-6);
            }
        }
        let eps = |d: f64| erdos_renyi_kernel(&mlp(), d).unwrap()[0] * 16384.0 / 320.0;
        assert_abs_diff_eq!(eps(0.5), 47.692308, epsilon = 1e-6);
        assert_abs_diff_eq!(eps(0.1), 7.693989, epsilon = 1e-6);
    }

    #[test]
    fn erk_convolutions_and_a_small_perceptron() {
        let conv = vec![
            vec![16, 3, 3, 3],
            vec![32, 16, 3, 3],
            vec![64, 32, 3, 3],
            vec![10, 64],
        ];
        let cases = [
            (
                &conv,
                0.2,
                vec![1.0, 0.281731, 0.133040, 1.0],
                Some((1, 24.041026)),
            ),
            (
                &conv,
                0.1,
                vec![0.566298, 0.114675, 0.054152, 1.0],
                Some((1, 9.785635)),
            ),
            (
                &conv,
                0.5,
                vec![1.0, 0.825120, 0.389640, 1.0],
                Some((1, 70.410256)),
            ),
            (&mlp(), 0.2, vec![0.336538, 0.134615, 1.0], None),
            (&mlp(), 0.05, vec![0.075137, 0.030055, 0.399727], None),
        ];
        for (shapes, density, expected, eps) in cases {
            let found = erdos_renyi_kernel(shapes, density).unwrap();
            let sizes = shapes.iter().map(|s| size(s) as f64);
            let active: f64 = sizes.clone().zip(&found).map(|(n, d)| n * d).sum();
            assert_abs_diff_eq!(active / sizes.sum::<f64>(), density, epsilon = 1e-12);
            for (f, e) in found.iter().zip(expected) {
                assert_abs_diff_eq!(*f, e, epsilon = 1e-6);
            }
            if let Some((layer, eps)) = eps {
                let shape: &Vec<usize> = &shapes[layer];
                let raw = shape.iter().sum::<usize>() as f64 / size(shape) as f64;
                assert_abs_diff_eq!(found[layer] / raw, eps, epsilon = 1e-5);
            }
        }
    }

    #[test]
    fn counts_are_exact() {
        let densities = erdos_renyi_kernel(&mlp(), 0.01).unwrap();
        assert_eq!(counts(&mlp(), &densities).iter().sum::<usize>(), 844);
        assert_eq!(keep(100, 0.9), 10);
        // .29 * 100 is 28.999999999999996 in floating point.
        let shapes = [vec![100], vec![7, 5]];
        assert_eq!(counts(&shapes[..1], &[0.29]), [29]);
        assert_eq!(counts(&shapes, &[0.29, 0.5]), [29, 17]);
        assert_eq!((keep(100, 0.71), keep(100, 1.0 - 0.29)), (29, 29));
    }

    #[test]
    fn set_density_of_epsilon() {
        let found = erdos_renyi_epsilon(&mlp(), 20.0).unwrap();
        assert_abs_diff_eq!(found[0], 20.0 * 320.0 / 16384.0, epsilon = 1e-12);
        assert_abs_diff_eq!(found[2], 1.0, epsilon = 1e-12);
    }
}
