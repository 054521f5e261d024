//! # stats
//!
//! Means, standard errors, correlations and ranks.
//!
//! Source: Pearson 1895; Spearman 1904, with mean ranks for ties.

use crate::error::{Result, TensorError};

/// The mean, and 0 for no values.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The standard error of the mean, with the `n - 1` variance; 0 for fewer than two values.
#[must_use]
pub fn standard_error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if n < 2.0 {
        return 0.0;
    }
    let center = mean(values);
    let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    (squares / (n - 1.0) / n).sqrt()
}

/// Pearson's correlation, between -1 and 1; 0 if one side is constant.
///
/// # Errors
/// [`TensorError::Mismatch`] if the lengths differ, [`TensorError::NotFinite`] for NaN or
/// infinite values.
pub fn pearson(left: &[f64], right: &[f64]) -> Result<f64> {
    check(left, right)?;
    let plain = correlation(left, right);
    // Where sums overflow or vanish, other scales help: the correlation does not depend on them.
    let other = || correlation(&scaled(left), &scaled(right));
    Ok(plain.or_else(other).unwrap_or(0.0))
}

/// The values over the largest magnitude.
fn scaled(values: &[f64]) -> Vec<f64> {
    let largest = values
        .iter()
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    values
        .iter()
        .map(|value| value / largest.max(f64::MIN_POSITIVE))
        .collect()
}

/// None where the product of the variances has no place in float64.
fn correlation(left: &[f64], right: &[f64]) -> Option<f64> {
    let (a, b) = (mean(left), mean(right));
    let pairs = left.iter().zip(right);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        ab += (x - a) * (y - b);
        aa += (x - a).powi(2);
        bb += (y - b).powi(2);
    }
    let product: f64 = aa * bb;
    product.is_normal().then(|| ab / product.sqrt())
}

/// Spearman's rank correlation, between -1 and 1.
///
/// # Errors
/// As [`pearson`].
///
/// ```
/// use regimen_tensor::stats::spearman;
///
/// assert_eq!(spearman(&[1.0, 2.0, 3.0], &[1.0, 10.0, 100.0])?, 1.0);
/// # Ok::<(), regimen_tensor::TensorError>(())
/// ```
pub fn spearman(left: &[f64], right: &[f64]) -> Result<f64> {
    check(left, right)?;
    pearson(&ranks(left), &ranks(right))
}

/// Ranks from 1, equal values sharing the mean of their ranks; NaN sorts last (a negative NaN first). Time is that of sorting.
#[must_use]
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for run in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = below as f64 + (run.len() as f64 + 1.0) / 2.0;
        run.iter().for_each(|i| ranks[*i] = rank);
        below += run.len();
    }
    ranks
}

fn check(left: &[f64], right: &[f64]) -> Result<()> {
    if left.len() != right.len() {
        return Err(TensorError::Mismatch {
            path: "right".into(),
            expected: format!("{} values", left.len()),
            found: format!("{} values", right.len()),
        });
    }
    for (what, values) in [("left", left), ("right", right)] {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(TensorError::NotFinite {
                what: what.into(),
                index,
                value: values[index],
            });
        }
    }
    Ok(())
}
