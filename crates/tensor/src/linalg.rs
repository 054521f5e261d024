//! # linalg
//!
//! Small dense solves, by `nalgebra`.
//!
//! Source: Cholesky, symmetric eigenvalues and least squares as `nalgebra` provides them.

pub use nalgebra::{DMatrix, DVector};

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
