//! Advantages of mean 0 and variance 1.

use super::mask::TokenMask;
use crate::error::Result;

/// Added to the variance, as verl and TRL's PPO do.
const EPSILON: f64 = 1e-8;

/// `(A - mean) / sqrt(var + 1e-8)` over all unmasked tokens, with the unbiased variance; 0 where the mask is.
///
/// One token alone, or none, has 0 (verl refuses it). Take it over the whole step, not a micro-batch. The mean is removed: where every
/// response is rewarded, half of them are pushed down all the same.
///
/// # Errors
/// If there is not one value for each place of the mask, or one that counts is not finite.
pub fn whiten(values: &[f64], mask: &TokenMask) -> Result<Vec<f64>> {
    mask.check("values", values)?;
    let count = |valid: &bool| f64::from(u8::from(*valid));
    let counts: Vec<f64> = mask.values().iter().map(count).collect();
    let values: Vec<f64> = values
        .iter()
        .zip(&counts)
        .map(|(v, n)| if *n > 0.0 { *v } else { 0.0 })
        .collect();
    let whitened = weighted_whiten(&values, &counts);
    Ok(whitened.iter().zip(counts).map(|(v, n)| v * n).collect())
}

/// As [`whiten`], each value as often as its count says.
pub(in crate::advantage) fn weighted_whiten(values: &[f64], counts: &[f64]) -> Vec<f64> {
    let all: f64 = counts.iter().sum();
    if all < 2.0 {
        return vec![0.0; values.len()];
    }
    let weighted = |of: &dyn Fn(f64) -> f64| -> f64 {
        let terms = values.iter().zip(counts);
        terms.map(|(value, count)| of(*value) * count).sum()
    };
    let mean = weighted(&|value| value / all);
    let variance = weighted(&|value| (value - mean).powi(2)) / (all - 1.0);
    let scale = (variance + EPSILON).sqrt();
    values.iter().map(|value| (value - mean) / scale).collect()
}
