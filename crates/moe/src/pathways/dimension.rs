//! # Effective dimension
//!
//! How many directions the kernel of a routed model leaves free under a ridge.
//!
//! Source: arXiv 2506.21551, theory part (routing kernel, effective dimension).

use regimen_tensor::linalg::{DMatrix, inverse_spd};

use crate::Result;
use crate::error::{MoeError, above_zero};

/// `Tr(H (H + lambda I)^-1)` of a kernel with these eigenvalues.
///
/// # Errors
/// If `lambda` is not a finite number above 0, or an eigenvalue is not a finite number above `-lambda` (those of a kernel are
/// at least 0, but for rounding).
///
/// ```
/// let dimension = regimen_moe::pathways::effective_dimension(&[2.0, 1.0, 0.5, 0.1], 1.0)?;
/// assert!((dimension - 1.590_909_090_9).abs() < 1e-9);
/// # Ok::<(), regimen_moe::MoeError>(())
/// ```
pub fn effective_dimension(eigenvalues: &[f64], lambda: f64) -> Result<f64> {
    above_zero("lambda", lambda)?;
    let fits = |value: &f64| value.is_finite() && value + lambda > 0.0;
    if let Some(bad) = eigenvalues.iter().find(|value| !fits(value)) {
        let allowed = "finite numbers above -lambda";
        return Err(MoeError::range("eigenvalues", bad, allowed));
    }
    Ok(eigenvalues
        .iter()
        .map(|value| value / (value + lambda))
        .sum())
}

/// The same of a kernel matrix, `[n, n]`, symmetric: `n - lambda Tr((H + lambda I)^-1)`.
///
/// # Errors
/// If `lambda` is not a finite number above 0, or the matrix is not square, not finite or not positive semidefinite, or
/// its inverse has no place in float64.
pub fn kernel_dimension(kernel: &DMatrix<f64>, lambda: f64) -> Result<f64> {
    above_zero("lambda", lambda)?;
    let (rows, columns) = kernel.shape();
    if rows != columns {
        return Err(MoeError::shape("kernel", &[rows, columns], "a square one"));
    }
    if let Some(bad) = kernel.iter().find(|value| !value.is_finite()) {
        return Err(MoeError::range("kernel", bad, "finite numbers"));
    }
    let ridged = kernel + DMatrix::identity(rows, rows) * lambda;
    let inverse = inverse_spd(ridged).map_err(|error| {
        let allowed = "a positive semidefinite matrix";
        MoeError::range("kernel", error, allowed)
    })?;
    let found = rows as f64 - lambda * inverse.trace();
    if !found.is_finite() {
        let allowed = "numbers whose inverse float64 can hold";
        return Err(MoeError::range("kernel", found, allowed));
    }
    Ok(found)
}

/// `Theta(x, x') = sum_e g_e(x) g_e(x') K_e(x, x')`: the experts' kernels `[n, n]`, each weighted by the routing weights
/// `weights[sample][expert]` of both samples. What is not finite stays so: [`kernel_dimension`] refuses it.
///
/// # Errors
/// If there is not one kernel an expert, or one is not `[n, n]`.
///
/// ```
/// use regimen_moe::pathways::{kernel_dimension, routing_kernel};
/// use regimen_tensor::linalg::DMatrix;
///
/// // Two samples with one expert each share nothing, whatever the experts' kernels say.
/// let kernels = [DMatrix::from_element(2, 2, 1.0), DMatrix::from_element(2, 2, 1.0)];
/// let apart = routing_kernel(&[vec![1.0, 0.0], vec![0.0, 1.0]], &kernels)?;
/// let alike = routing_kernel(&[vec![1.0, 0.0], vec![1.0, 0.0]], &kernels)?;
/// assert!((kernel_dimension(&apart, 1.0)? - 1.0).abs() < 1e-12);
/// assert!((kernel_dimension(&alike, 1.0)? - 2.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn routing_kernel(weights: &[Vec<f64>], kernels: &[DMatrix<f64>]) -> Result<DMatrix<f64>> {
    let samples = weights.len();
    if let Some(bad) = weights.iter().find(|row| row.len() != kernels.len()) {
        let expected = format!("[{}], one an expert's kernel", kernels.len());
        return Err(MoeError::shape("weights", &[bad.len()], expected));
    }
    for kernel in kernels {
        let (rows, columns) = kernel.shape();
        if (rows, columns) != (samples, samples) {
            let expected = format!("[{samples}, {samples}]");
            return Err(MoeError::shape("kernels", &[rows, columns], expected));
        }
    }
    Ok(DMatrix::from_fn(samples, samples, |i, j| {
        let experts = kernels.iter().enumerate();
        experts
            .map(|(e, kernel)| weights[i][e] * weights[j][e] * kernel[(i, j)])
            .sum()
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    #[test]
    fn check_values() {
        let eigenvalues = [2.0, 1.0, 0.5, 0.1];
        for (lambda, expected) in [(1.0, 1.590_909_090_9), (0.1, 3.194_805_194_8)] {
            let found = effective_dimension(&eigenvalues, lambda).unwrap();
            assert_abs_diff_eq!(found, expected, epsilon = 1e-9);
            let diagonal = DMatrix::from_diagonal(&eigenvalues.to_vec().into());
            let found = kernel_dimension(&diagonal, lambda).unwrap();
            assert_abs_diff_eq!(found, expected, epsilon = 1e-9);
        }
        // Eigenvalues 2 and 1.
        let full = DMatrix::from_row_slice(2, 2, &[1.5, 0.5, 0.5, 1.5]);
        let found = kernel_dimension(&full, 1.0).unwrap();
        assert_abs_diff_eq!(found, 2.0 / 3.0 + 0.5, epsilon = 1e-12);
    }

    #[test]
    fn bad_input_is_named() {
        assert!(effective_dimension(&[1.0], 0.0).is_err());
        assert!(effective_dimension(&[-1.0], 1.0).is_err());
        assert!(effective_dimension(&[f64::NAN], 1.0).is_err());
        assert!(kernel_dimension(&DMatrix::zeros(2, 3), 1.0).is_err());
        assert!(kernel_dimension(&DMatrix::from_element(1, 1, -2.0), 1.0).is_err());
        assert!(kernel_dimension(&DMatrix::from_element(1, 1, f64::NAN), 1.0).is_err());
        let kernels = [DMatrix::zeros(2, 2)];
        assert!(routing_kernel(&[vec![1.0], vec![1.0, 0.0]], &kernels).is_err());
        assert!(routing_kernel(&[vec![1.0]], &kernels).is_err());
    }

    proptest! {
        /// Between none and all directions, and never more of them with a larger ridge.
        #[test]
        fn is_bounded_and_falls_with_the_ridge(
            rows in proptest::collection::vec(proptest::collection::vec(-2.0..2.0_f64, 3), 4),
            lambda in 0.01..2.0_f64,
        ) {
            let features = DMatrix::from_fn(4, 3, |i, j| rows[i][j]);
            let kernel = &features * features.transpose();
            let [small, large] = [lambda, 2.0 * lambda].map(|l| kernel_dimension(&kernel, l));
            let (small, large) = (small.unwrap(), large.unwrap());
            prop_assert!(-1e-9 <= large && large <= small + 1e-9 && small <= 3.0 + 1e-9);
        }
    }
}
