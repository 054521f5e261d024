//! # SparseGPT
//!
//! Prunes a trained layer without training, and lets the weights that stay make up for those that go.
//!
//! Source: Frantar and Alistarh, "SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot"
//! (arXiv 2301.00774), algorithm 1.

use burn::tensor::{Bool, Tensor, TensorData};
use regimen_tensor::linalg::{DMatrix, cholesky_lower, inverse_spd};
use regimen_tensor::threshold;

use super::calibration::{damped, wide};
use super::n_m;
use super::pattern::Pattern;
use crate::error::{fraction, positive};
use crate::{PruningError, Result};

/// `H = (2 / n) X^T X + damping * mean(diagonal) I` of `inputs`, `[n, width]`; the paper damps by .01.
///
/// # Errors
/// If there is no input or `damping` is not in [0, 1].
pub fn hessian(inputs: &DMatrix<f64>, damping: f64) -> Result<DMatrix<f64>> {
    fraction("damping", damping, true)?;
    positive("inputs.nrows()", inputs.nrows())?;
    let gram = inputs.transpose() * inputs * (2.0 / inputs.nrows() as f64);
    Ok(damped(gram, damping))
}

/// The upper factor `U` of the inverse, `H^-1 = U^T U`.
///
/// # Errors
/// If `hessian` is not symmetric positive definite.
pub fn upper_factor(hessian: DMatrix<f64>) -> Result<DMatrix<f64>> {
    Ok(cholesky_lower(inverse_spd(hessian)?)?.transpose())
}

/// The weights `[outputs, width]` with the share `sparsity` in [0, 1] of each block of `block` columns (128 in
/// the paper) set to zero, by the smallest `w^2 / U_jj^2`, and the columns to the right corrected. On the weights' device
/// and in their type, computed in single precision at least.
///
/// # Errors
/// If `sparsity` is out of range, `block` is 0, the shapes differ or a weight is not finite.
pub fn prune(
    weights: Tensor<2>,
    factor: &DMatrix<f64>,
    sparsity: f64,
    block: usize,
) -> Result<Tensor<2>> {
    prune_pattern(weights, factor, Pattern::Share(sparsity), block)
}

/// As [`prune`], or with `n` of every `m` columns kept in each row, chosen when the sweep reaches the group.
///
/// # Errors
/// As [`prune`]; or if the width or `block` is no multiple of `m`, or `n` exceeds `m`.
pub fn prune_pattern(
    weights: Tensor<2>,
    factor: &DMatrix<f64>,
    pattern: Pattern,
    block: usize,
) -> Result<Tensor<2>> {
    let dtype = weights.dtype();
    let weights = wide(weights.detach().inner());
    Ok(sweep(weights, None, factor, pattern, block)?.0.cast(dtype))
}

/// The sweep over weights `[outputs, width]` of at least single precision. Weights that are off in `active` stay off, and
/// count among those that go. Returns the weights, and which of them stay.
pub(super) fn sweep(
    weights: Tensor<2>,
    active: Option<Tensor<2, Bool>>,
    factor: &DMatrix<f64>,
    pattern: Pattern,
    block: usize,
) -> Result<(Tensor<2>, Tensor<2, Bool>)> {
    let [rows, width] = weights.dims();
    check(width, factor, pattern, block)?;
    if rows == 0 || width == 0 {
        let kept = TensorData::new(Vec::<bool>::new(), [rows, width]);
        let kept = Tensor::from_data(kept, &weights.device());
        return Ok((weights, kept));
    }
    let options = (&weights.device(), weights.dtype());
    // A weight's column is a row here, so that the columns to the right are one piece of memory; `moves[k][j]` is what an
    // error of column `j` moves in column `k`.
    let by_column: Vec<f64> = factor.iter().copied().collect();
    let moves = Tensor::<2>::from_data(TensorData::new(by_column, [width, width]), options);
    let off = active.map(|active| active.bool_not().transpose());
    let mut right = weights.transpose();
    let (mut done, mut kept) = (Vec::with_capacity(width), Vec::new());
    for start in (0..width).step_by(block) {
        let end = (start + block).min(width);
        let group = match pattern {
            Pattern::Share(_) => end - start,
            Pattern::NOfM { m, .. } => m,
        };
        let mut left = right.clone().slice([0..end - start, 0..rows]);
        let mut errors = Vec::with_capacity(end - start);
        for first in (start..end).step_by(group) {
            let diagonal: Vec<f64> = (first..first + group).map(|j| factor[(j, j)]).collect();
            let diagonal = Tensor::<2>::from_data(TensorData::new(diagonal, [group, 1]), options);
            let columns = left.clone().slice([0..group, 0..rows]);
            let off = off
                .clone()
                .map(|off| off.slice([first..first + group, 0..rows]));
            let gone = choose((columns / diagonal).square(), off, pattern)?;
            for j in first..first + group {
                let gone = gone.clone().slice([j - first..j - first + 1, 0..rows]);
                let column = left.clone().slice([0..1, 0..rows]);
                done.push(column.clone().mask_fill(gone.clone(), 0.0));
                let error = column.mask_fill(gone.bool_not(), 0.0) / factor[(j, j)];
                if j + 1 < end {
                    let moved = moves.clone().slice([j + 1..end, j..j + 1]) * error.clone();
                    left = left.slice([1..end - j, 0..rows]) - moved;
                }
                errors.push(error);
            }
            kept.push(gone.bool_not());
        }
        if end < width {
            let moved = moves.clone().slice([end..width, start..end]);
            let later = right.slice([end - start..width - start, 0..rows]);
            right = later - moved.matmul(Tensor::cat(errors, 0));
        }
    }
    let (weights, kept) = (Tensor::cat(done, 0), Tensor::cat(kept, 0));
    Ok((weights.transpose(), kept.transpose()))
}

/// Which weights of some columns go, of scores `[columns, outputs]`: the smallest of all of them, or of each output. Those
/// that are off go first.
fn choose(
    scores: Tensor<2>,
    off: Option<Tensor<2, Bool>>,
    pattern: Pattern,
) -> Result<Tensor<2, Bool>> {
    let [columns, rows] = scores.dims();
    let scores = match &off {
        Some(off) => scores.mask_fill(off.clone(), -1.0),
        None => scores,
    };
    let gone = match pattern {
        Pattern::Share(_) => {
            let goes = pattern.goes(rows, columns);
            let scores = scores.reshape([rows * columns]);
            let mut gone = threshold::smallest(vec![scores], goes)?;
            gone.swap_remove(0).reshape([columns, rows])
        }
        Pattern::NOfM { .. } => {
            let goes = pattern.goes(1, columns);
            threshold::largest_in_rows(scores.neg().transpose(), goes)?.transpose()
        }
    };
    Ok(match off {
        Some(off) => gone.bool_or(off),
        None => gone,
    })
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use burn::tensor::{DType, Device};

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
        let w = Tensor::from_data([[1.0_f64, 0.6]], options());
        let first = values(prune(w, &u, 0.5, 1).unwrap());
        assert_abs_diff_eq!(first[1], 0.6, epsilon = 1e-9);
    }

    #[test]
    fn sparsegpt_removing_index_0() {
        let u = upper_factor(h()).unwrap();
        // Of the small first weight and the large second one, the first goes and moves the second.
        let weights = Tensor::from_data([[0.1_f64, 6.0]], options());
        let pruned = values(prune(weights, &u, 0.5, 128).unwrap());
        assert_eq!(pruned[0], 0.0);
        let shift = -0.1 / u[(0, 0)] * u[(0, 1)];
        assert_abs_diff_eq!(pruned[1], 6.0 + shift, epsilon = 1e-9);
        assert_abs_diff_eq!(0.6 + 10.0 * shift, 0.69456265, epsilon = 1e-7);
    }

    fn options() -> (&'static Device, DType) {
        static DEVICE: std::sync::LazyLock<Device> = std::sync::LazyLock::new(Device::flex);
        (&DEVICE, DType::F64)
    }

    fn values(weights: Tensor<2>) -> Vec<f64> {
        weights.try_into_vec_as::<f64>().unwrap()
    }
}
