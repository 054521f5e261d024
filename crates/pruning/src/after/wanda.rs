//! # Wanda
//!
//! Prunes a trained layer without training: magnitude times the norm of its input, row by row.
//!
//! Source: Sun et al., "A Simple and Effective Pruning Approach for Large Language Models" (arXiv 2306.11695).

use regimen_tensor::threshold;

use crate::error::fraction;
use crate::mask::density::{floor, keep};
use crate::{PruningError, Result};

/// L2 norm of each input over the rows of `inputs`, `[tokens, width]` row-major.
///
/// # Errors
/// If the inputs are empty or no multiple of `width`.
pub fn norms(inputs: &[f32], width: usize) -> Result<Vec<f32>> {
    if width == 0 || inputs.is_empty() || !inputs.len().is_multiple_of(width) {
        return Err(PruningError::range(
            "inputs.len()",
            inputs.len(),
            "a multiple of the width, above 0",
        ));
    }
    let mut sums = vec![0.0_f64; width];
    for row in inputs.chunks_exact(width) {
        sums.iter_mut()
            .zip(row)
            .for_each(|(s, x)| *s += f64::from(*x).powi(2));
    }
    Ok(sums.into_iter().map(|s| s.sqrt() as f32).collect())
}

/// Which weights stay of `weights`, `[outputs, width]` row-major: in each row the `floor(sparsity * width)`
/// smallest `|W_ij| norms_j` go. `sparsity` in [0, 1]. Run the layers in order, each on the inputs that the
/// pruned layers before it give.
///
/// # Errors
/// If `sparsity` is out of range, the weights are no multiple of the norms or a score is not finite.
pub fn mask(weights: &[f32], norms: &[f32], sparsity: f64) -> Result<Vec<bool>> {
    fraction("sparsity", sparsity, true)?;
    let width = norms.len();
    if width == 0 || !weights.len().is_multiple_of(width) {
        return Err(PruningError::range(
            "weights.len()",
            weights.len(),
            "a multiple of norms.len()",
        ));
    }
    let stay = keep(width, floor(sparsity * width as f64) as f64 / width as f64);
    let rows = weights.chunks_exact(width).map(|row| {
        let scores: Vec<f32> = row.iter().zip(norms).map(|(w, n)| w.abs() * n).collect();
        Ok(threshold::top_k(&scores, stay)?)
    });
    Ok(rows.collect::<Result<Vec<_>>>()?.concat())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn wanda_rows() {
        let norms = norms(&[1.0, 3.0, 0.0, 0.1, 2.0, 4.0, 1.0, 0.2], 4).unwrap();
        for (f, e) in norms.iter().zip([2.236_068, 5.0, 1.0, 0.223_606_8]) {
            approx::assert_abs_diff_eq!(*f, e, epsilon = 1e-6);
        }
        let w = [2.0, -1.0, 0.5, 3.0, -0.2, 4.0, 1.0, -1.0];
        let kept = |norms: &[f32]| -> Vec<f32> {
            let mask = mask(&w, norms, 0.5).unwrap();
            w.iter()
                .zip(mask)
                .map(|(w, m)| if m { *w } else { 0.0 })
                .collect()
        };
        assert_eq!(kept(&norms), [2.0, -1.0, 0.0, 0.0, 0.0, 4.0, 1.0, 0.0]);
        assert_eq!(kept(&[1.0; 4]), [2.0, 0.0, 0.0, 3.0, 0.0, 4.0, 1.0, 0.0]);
    }
}
