//! # linalg
//!
//! Small dense solves and products of rows, by `nalgebra`.
//!
//! Source: Cholesky, symmetric eigenvalues, least squares and matrix products as `nalgebra` provides them.

pub use nalgebra::{DMatrix, DVector};
use nalgebra::{DMatrixView, DMatrixViewMut, Dyn};

use crate::error::{Result, TensorError};

/// Solves `A x = b` for a symmetric positive definite `A`, `[n, n]`, and `b`, `[n]`.
///
/// # Errors
/// [`TensorError::Mismatch`] if the shapes differ; [`TensorError::OutOfRange`] if `A` is not
/// positive definite.
///
/// ```
/// use regimen_tensor::linalg::{DMatrix, DVector, solve_spd};
///
/// let a = DMatrix::from_row_slice(2, 2, &[4.0, 1.0, 1.0, 3.0]);
/// let x = solve_spd(a, &DVector::from_vec(vec![1.0, 2.0]))?;
/// assert!((x[0] - 1.0 / 11.0).abs() < 1e-12 && (x[1] - 7.0 / 11.0).abs() < 1e-12);
/// # Ok::<(), regimen_tensor::TensorError>(())
/// ```
pub fn solve_spd(a: DMatrix<f64>, b: &DVector<f64>) -> Result<DVector<f64>> {
    if a.nrows() != a.ncols() || a.nrows() != b.len() {
        return Err(TensorError::Mismatch {
            path: "A".into(),
            expected: format!("[{n}, {n}]", n = b.len()),
            found: format!("[{}, {}]", a.nrows(), a.ncols()),
        });
    }
    Ok(cholesky(a)?.solve(b))
}

/// The lower Cholesky factor of a symmetric positive definite matrix, `A = L L^T`.
///
/// # Errors
/// [`TensorError::OutOfRange`] if `A` is not finite or not positive definite.
pub fn cholesky_lower(a: DMatrix<f64>) -> Result<DMatrix<f64>> {
    Ok(cholesky(a)?.unpack())
}

/// The inverse of a symmetric positive definite matrix.
///
/// # Errors
/// [`TensorError::OutOfRange`] if `A` is not finite or not positive definite.
pub fn inverse_spd(a: DMatrix<f64>) -> Result<DMatrix<f64>> {
    Ok(cholesky(a)?.inverse())
}

/// The inner products of the rows of two matrices, `out = A B^T`: `A` is `[a, dimensions]`, `B` `[b, dimensions]` and `out` `[a, b]`, all row
/// by row. It runs on the thread that calls it; a product of two rows does not depend on which other rows there are.
///
/// # Errors
/// [`TensorError::Mismatch`] if `dimensions` is 0, or a length is no whole number of rows, or `out` has another length.
///
/// ```
/// use regimen_tensor::linalg::inner_products;
///
/// let mut out = [0.0; 2];
/// inner_products(&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0], 2, &mut out)?;
/// assert_eq!(out, [11.0, 17.0]);
/// # Ok::<(), regimen_tensor::TensorError>(())
/// ```
pub fn inner_products(a: &[f32], b: &[f32], dimensions: usize, out: &mut [f32]) -> Result<()> {
    let is_whole = |rows: &[f32]| dimensions > 0 && rows.len().is_multiple_of(dimensions);
    let [rows, columns] = [a, b].map(|side| side.len().checked_div(dimensions).unwrap_or(0));
    if !is_whole(a) || !is_whole(b) || rows.checked_mul(columns) != Some(out.len()) {
        return Err(TensorError::Mismatch {
            path: "A B^T".into(),
            expected: format!("rows of {dimensions}, above 0, and one place for each product"),
            found: format!("{} and {} values, {} places", a.len(), b.len(), out.len()),
        });
    }
    if rows.min(columns).min(dimensions) >= LEAST {
        multiply(a, b, [rows, columns, dimensions], out);
    } else if !out.is_empty() {
        // With zeros around them, small ones are added up in the same way as large ones.
        let sizes = [rows, columns, dimensions].map(|size| size.max(LEAST));
        let wide = |from: &[f32], rows: usize| {
            let mut wide = vec![0.0; rows * sizes[2]];
            let each = from.chunks(dimensions).zip(wide.chunks_mut(sizes[2]));
            each.for_each(|(from, to)| to[..dimensions].copy_from_slice(from));
            wide
        };
        let mut all = vec![0.0; sizes[0] * sizes[1]];
        multiply(&wide(a, sizes[0]), &wide(b, sizes[1]), sizes, &mut all);
        let each = all.chunks(sizes[1]).zip(out.chunks_mut(columns));
        each.for_each(|(from, to)| to.copy_from_slice(&from[..columns]));
    }
    Ok(())
}

/// From so many rows, columns and dimensions on, `nalgebra` multiplies by blocks. Below it, it goes another way, which in 0.35 reads and writes
/// beyond a matrix whose rows lie side by side.
const LEAST: usize = 6;

/// `out = A B^T`, of the rows of `A`, the rows of `B` and their dimensions.
fn multiply(a: &[f32], b: &[f32], [rows, columns, dimensions]: [usize; 3], out: &mut [f32]) {
    // Column by column, `out` is `[b, a]`, `B` has its rows side by side, and `A^T` is `A` as it lies.
    let b = DMatrixView::from_slice_with_strides_generic(
        b,
        Dyn(columns),
        Dyn(dimensions),
        Dyn(dimensions),
        Dyn(1),
    );
    let a = DMatrixView::from_slice(a, dimensions, rows);
    DMatrixViewMut::from_slice(out, columns, rows).gemm(1.0, &b, &a, 0.0);
}

fn cholesky(a: DMatrix<f64>) -> Result<nalgebra::Cholesky<f64, nalgebra::Dyn>> {
    let size = format!("a {} by {} matrix", a.nrows(), a.ncols());
    if a.nrows() != a.ncols() {
        return Err(TensorError::out_of_range("A", size, "a square matrix"));
    }
    if let Some(bad) = a.iter().find(|value| !value.is_finite()) {
        return Err(TensorError::out_of_range("A", bad, "finite numbers"));
    }
    nalgebra::Cholesky::new(a)
        .ok_or_else(|| TensorError::out_of_range("A", size, "symmetric positive definite"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn numbers(count: usize, of: usize) -> Vec<f32> {
        let number = |at: usize| ((at * 37 + of * 11) % 101) as f32 / 10.0 - 5.0;
        (0..count).map(number).collect()
    }

    #[test]
    fn products_of_all_sizes_are_sums() {
        for [rows, columns, dimensions] in
            [[1, 1, 1], [5, 9, 3], [9, 5, 7], [1, 40, 300], [33, 2, 6]]
        {
            let (a, b) = (
                numbers(rows * dimensions, 1),
                numbers(columns * dimensions, 2),
            );
            let mut out = vec![f32::NAN; rows * columns];
            inner_products(&a, &b, dimensions, &mut out).unwrap();
            for (place, found) in out.iter().enumerate() {
                let row = &a[place / columns * dimensions..][..dimensions];
                let column = &b[place % columns * dimensions..][..dimensions];
                let sum: f32 = row.iter().zip(column).map(|(a, b)| a * b).sum();
                assert!((found - sum).abs() < 1e-2, "{found} {sum}");
            }
        }
    }

    #[test]
    fn a_product_is_that_of_its_two_rows_alone() {
        let (a, b) = (numbers(50 * 300, 1), numbers(70 * 300, 2));
        let product = |a: &[f32], b: &[f32]| {
            let mut out = vec![0.0; a.len() / 300 * (b.len() / 300)];
            inner_products(a, b, 300, &mut out).unwrap();
            out
        };
        let all = product(&a, &b);
        for (row, one) in a.chunks(300).enumerate() {
            assert_eq!(product(one, &b), all[row * 70..(row + 1) * 70]);
            assert_eq!(product(one, &b[..300]), all[row * 70..=row * 70]);
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        let mut out = [0.0; 4];
        for (a, b, dimensions, places) in [(4, 4, 2, 3), (3, 4, 2, 4), (4, 5, 2, 4), (4, 4, 0, 4)] {
            let (a, b) = (numbers(a, 1), numbers(b, 2));
            assert!(inner_products(&a, &b, dimensions, &mut out[..places]).is_err());
        }
        inner_products(&[], &[1.0], 1, &mut []).unwrap();
    }
}
