//! # SparseGPT
//!
//! Prunes a trained layer without training, and lets the weights that stay make up for those that go.
//!
//! Source: Frantar and Alistarh, "SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot"
//! (arXiv 2301.00774), algorithm 1.

use std::ops::Range;

use regimen_tensor::linalg::{DMatrix, cholesky_lower, inverse_spd};
use regimen_tensor::threshold;

use super::{Pattern, n_m};
use crate::error::{fraction, positive};
use crate::{PruningError, Result};

/// `H = (2 / n) X^T X + damping * mean(diagonal) I` of `inputs`, `[n, width]`; the paper damps by .01.
///
/// # Errors
/// If there is no input or `damping` is not in [0, 1].
pub fn hessian(inputs: &DMatrix<f64>, damping: f64) -> Result<DMatrix<f64>> {
    fraction("damping", damping, true)?;
    positive("inputs.nrows()", inputs.nrows())?;
    let mut h = inputs.transpose() * inputs * (2.0 / inputs.nrows() as f64);
    let damp = damping * h.diagonal().mean();
    for i in 0..h.nrows() {
        h[(i, i)] += damp;
    }
    Ok(h)
}

/// The upper factor `U` of the inverse, `H^-1 = U^T U`.
///
/// # Errors
/// If `hessian` is not symmetric positive definite.
pub fn upper_factor(hessian: DMatrix<f64>) -> Result<DMatrix<f64>> {
    Ok(cholesky_lower(inverse_spd(hessian)?)?.transpose())
}

/// The weights `[outputs, width]` with the share `sparsity` in [0, 1] of each block of `block` columns (128 in
/// the paper) set to zero, by the smallest `w^2 / U_jj^2`, and the columns to the right corrected.
///
/// # Errors
/// If `sparsity` is out of range, `block` is 0, the shapes differ or a weight is not finite.
pub fn prune(
    weights: DMatrix<f64>,
    factor: &DMatrix<f64>,
    sparsity: f64,
    block: usize,
) -> Result<DMatrix<f64>> {
    prune_pattern(weights, factor, Pattern::Share(sparsity), block)
}

/// As [`prune`], or with `n` of every `m` columns kept in each row, chosen when the sweep reaches the group.
///
/// # Errors
/// As [`prune`]; or if the width or `block` is no multiple of `m`, or `n` exceeds `m`.
pub fn prune_pattern(
    mut weights: DMatrix<f64>,
    factor: &DMatrix<f64>,
    pattern: Pattern,
    block: usize,
) -> Result<DMatrix<f64>> {
    let (rows, width) = weights.shape();
    check(width, factor, pattern, block)?;
    for start in (0..width).step_by(block) {
        let end = (start + block).min(width);
        let mut errors = DMatrix::zeros(rows, end - start);
        let group = match pattern {
            Pattern::Share(_) => end - start,
            Pattern::NOfM { m, .. } => m,
        };
        for first in (start..end).step_by(group) {
            let gone = choose(&weights, factor, pattern, first..first + group)?;
            for j in first..first + group {
                for row in (0..rows).filter(|row| gone[(j - first) * rows + row]) {
                    let error = weights[(row, j)] / factor[(j, j)];
                    for k in j..end {
                        weights[(row, k)] -= error * factor[(j, k)];
                    }
                    weights[(row, j)] = 0.0;
                    errors[(row, j - start)] = error;
                }
            }
        }
        let later = &errors * factor.view((start, end), (end - start, width - end));
        let mut right = weights.columns_mut(end, width - end);
        right -= later;
    }
    Ok(weights)
}

fn check(width: usize, factor: &DMatrix<f64>, pattern: Pattern, block: usize) -> Result<()> {
    positive("block", block)?;
    match pattern {
        Pattern::Share(sparsity) => fraction("sparsity", sparsity, true)?,
        Pattern::NOfM { n, m } => {
            n_m::fits(width, m)?;
            n_m::check(n, m)?;
            if !block.is_multiple_of(m) && block < width {
                let allowed = format!("a multiple of m, {m}");
                return Err(PruningError::range("block", block, &allowed));
            }
        }
    }
    if factor.shape() != (width, width) {
        return Err(PruningError::range(
            "factor",
            format!("{:?}", factor.shape()),
            &format!("({width}, {width})"),
        ));
    }
    Ok(())
}

/// Which weights of some columns go, column by column: the smallest `w^2 / U_jj^2` of all of them, or of each row.
fn choose(
    weights: &DMatrix<f64>,
    factor: &DMatrix<f64>,
    pattern: Pattern,
    columns: Range<usize>,
) -> Result<Vec<bool>> {
    let rows = weights.nrows();
    let score =
        |row: usize, column: usize| (weights[(row, column)] / factor[(column, column)]).powi(2);
    if matches!(pattern, Pattern::Share(_)) {
        let all = columns.clone().flat_map(|j| (0..rows).map(move |i| (i, j)));
        let scores: Vec<f32> = all.map(|(i, j)| score(i, j) as f32).collect();
        let goes = pattern.goes(rows, columns.len());
        let eligible = vec![true; scores.len()];
        return Ok(threshold::bottom_k_of(&scores, &eligible, goes)?);
    }
    let mut gone = vec![false; rows * columns.len()];
    for row in 0..rows {
        let scores: Vec<f32> = columns.clone().map(|j| score(row, j) as f32).collect();
        let eligible = vec![true; scores.len()];
        let chosen = threshold::bottom_k_of(&scores, &eligible, pattern.goes(1, columns.len()))?;
        for (column, chosen) in chosen.into_iter().enumerate() {
            gone[column * rows + row] = chosen;
        }
    }
    Ok(gone)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    fn h() -> DMatrix<f64> {
        hessian(
            &DMatrix::from_row_slice(3, 2, &[1.0, 0.5, 0.5, 2.0, 1.0, -1.0]),
            0.01,
        )
        .unwrap()
    }

    #[test]
    fn sparsegpt_obs() {
        let expected = DMatrix::from_row_slice(2, 2, &[1.525, 1.0 / 3.0, 1.0 / 3.0, 3.525]);
        assert_abs_diff_eq!(h(), expected, epsilon = 1e-8);
        let u = upper_factor(h()).unwrap();
        let expected = DMatrix::from_row_slice(2, 2, &[0.81827715, -0.07737845, 0.0, 0.53262364]);
        assert_abs_diff_eq!(u, expected, epsilon = 1e-7);
        let inverse = inverse_spd(h()).unwrap();
        let w = [1.0, 0.6];
        for (i, error) in [(0, 0.74673956), (1, 0.62138525)] {
            assert_abs_diff_eq!(w[i] * w[i] / (2.0 * inverse[(i, i)]), error, epsilon = 1e-7);
        }
        let moved = 1.0 - 0.6 / inverse[(1, 1)] * inverse[(1, 0)];
        assert_abs_diff_eq!(moved, 1.13114754, epsilon = 1e-7);
        let w = DMatrix::from_row_slice(1, 2, &w);
        let first = prune(w, &u, 0.5, 1).unwrap();
        assert_abs_diff_eq!(first[(0, 1)], 0.6, epsilon = 1e-9);
    }

    #[test]
    fn sparsegpt_removing_index_0() {
        let u = upper_factor(h()).unwrap();
        // Of the small first weight and the large second one, the first goes and moves the second.
        let pruned = prune(
            DMatrix::from_row_slice(1, 2, &[0.1, 0.06 * 100.0]),
            &u,
            0.5,
            128,
        )
        .unwrap();
        assert_eq!(pruned[(0, 0)], 0.0);
        let shift = -0.1 / u[(0, 0)] * u[(0, 1)];
        assert_abs_diff_eq!(pruned[(0, 1)], 6.0 + shift, epsilon = 1e-9);
        assert_abs_diff_eq!(0.6 + 10.0 * shift, 0.69456265, epsilon = 1e-7);
    }
}
