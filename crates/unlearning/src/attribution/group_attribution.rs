//! # group_attribution
//!
//! What the removal of training points does to a ridge regression, exactly and without a new fit.
//!
//! Source: the Woodbury identity; for one point it is Cook and Weisberg's leave-one-out formula, 1982.

use regimen_tensor::linalg::{DMatrix, DVector, inverse_spd};

use crate::error::{Result, UnlearningError, check};

/// The effect of a group's presence on the outputs of `min_w ||X w - y||^2 + lambda ||w||^2`:
/// `f(S) - f(S \ F) = x' A X_F' (I - X_F A X_F')^-1 r_F` with `A = (X'X + lambda I)^-1` and the residuals `r`.
///
/// `x`: `[n, d]`, `y`: `[n]`, `eval`: `[m, d]`, result `[m]`. An empty group has no effect. Subtract it from
/// the fit's outputs to get those of the fit without the group.
///
/// # Errors
/// If shapes do not agree, a value or the result is not finite, `lambda` is negative, a point of the group is not there or there twice,
/// or the regression with or without the group has no unique solution.
///
/// ```
/// use regimen_tensor::linalg::{DMatrix, DVector};
/// use regimen_unlearning::attribution::group_attribution::group_effect;
///
/// let x = DMatrix::from_row_slice(4, 2, &[1., 0., 1., 1., 1., 2., 1., 4.]);
/// let y = DVector::from_vec(vec![0., 1., 1., 3.]);
/// let eval = DMatrix::from_row_slice(1, 2, &[1., 3.]);
/// let effect = group_effect(&x, &y, 0.5, &[3], &eval)?;
/// assert!((effect[0] - 0.58204572).abs() < 1e-8);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
pub fn group_effect(
    x: &DMatrix<f64>,
    y: &DVector<f64>,
    lambda: f64,
    group: &[usize],
    eval: &DMatrix<f64>,
) -> Result<DVector<f64>> {
    check_input(x, y, lambda, eval)?;
    let mut sorted = group.to_vec();
    sorted.sort_unstable();
    for (position, point) in sorted.iter().enumerate() {
        let good = *point < x.nrows() && (position == 0 || sorted[position - 1] != *point);
        check(
            "point",
            *point as f64,
            good,
            "a training point, and only once",
        )?;
    }
    if group.is_empty() {
        return Ok(DVector::zeros(eval.nrows()));
    }
    let inverse = inverse(x, lambda)?;
    let weights = &inverse * x.tr_mul(y);
    let group_x = x.select_rows(group);
    let residual = y.select_rows(group) - &group_x * weights;
    let spread = &inverse * group_x.transpose();
    let remainder = DMatrix::identity(group.len(), group.len()) - &group_x * &spread;
    finite(eval * spread * inverse_spd(remainder)? * residual)
}

/// The weights of `min_w ||X w - y||^2 + lambda ||w||^2`, `[d]`.
///
/// # Errors
/// If shapes do not agree, a value or the result is not finite, `lambda` is negative, or the solution is not unique.
pub fn ridge(x: &DMatrix<f64>, y: &DVector<f64>, lambda: f64) -> Result<DVector<f64>> {
    check_input(x, y, lambda, x)?;
    finite(inverse(x, lambda)? * x.tr_mul(y))
}

/// Refuses results of numbers that are too large.
fn finite(values: DVector<f64>) -> Result<DVector<f64>> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(values);
    }
    Err(UnlearningError::NotFinite("training"))
}

fn inverse(x: &DMatrix<f64>, lambda: f64) -> Result<DMatrix<f64>> {
    let penalty = DMatrix::identity(x.ncols(), x.ncols()) * lambda;
    Ok(inverse_spd(x.tr_mul(x) + penalty)?)
}

fn check_input(x: &DMatrix<f64>, y: &DVector<f64>, lambda: f64, eval: &DMatrix<f64>) -> Result<()> {
    check("lambda", lambda, lambda >= 0.0, "0 or more")?;
    check(
        "y",
        y.len() as f64,
        y.len() == x.nrows(),
        "one value a row of x",
    )?;
    let good = eval.ncols() == x.ncols();
    check("columns of eval", eval.ncols() as f64, good, "those of x")?;
    let mut values = x.iter().chain(y.iter()).chain(eval.iter());
    if values.any(|value| !value.is_finite()) {
        return Err(UnlearningError::NotFinite("training"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn example() -> (DMatrix<f64>, DVector<f64>, DMatrix<f64>) {
        let x = DMatrix::from_row_slice(4, 2, &[1., 0., 1., 1., 1., 2., 1., 4.]);
        let eval = DMatrix::from_row_slice(1, 2, &[1., 3.]);
        (x, DVector::from_vec(vec![0., 1., 1., 3.]), eval)
    }

    #[test]
    fn ridge_of_four_rows() {
        let (x, y, eval) = example();
        let w = ridge(&x, &y, 0.5).unwrap();
        assert!((w[0] - 0.052_356_02).abs() < 1e-8 && (w[1] - 0.680_628_27).abs() < 1e-8);
        assert!(((eval * w)[0] - 2.094_240_84).abs() < 1e-8);
    }

    #[test]
    fn leave_one_out_of_four_rows() {
        let (x, y, eval) = example();
        for (i, expected) in [-0.000_997_26, 0.052_282_8, -0.154_035_02, 0.582_045_72]
            .into_iter()
            .enumerate()
        {
            let found = group_effect(&x, &y, 0.5, &[i], &eval).unwrap()[0];
            assert!((found - expected).abs() < 1e-8, "{found} {expected}");
        }
    }

    #[test]
    fn leverages_and_first_order_influence_of_four_rows() {
        let (x, y, eval) = example();
        let (a, w) = (inverse(&x, 0.5).unwrap(), ridge(&x, &y, 0.5).unwrap());
        let r = &y - &x * w;
        let leverage = [0.450_261_78, 0.251_308_9, 0.240_837_7, 0.785_340_31];
        let first_order = [-0.000_548_23, 0.039_143_66, -0.116_937_58, 0.124_941_75];
        for i in 0..4 {
            let row = x.select_rows(&[i]);
            let h = (&row * &a * row.transpose())[0];
            let influence = (&eval * &a * row.transpose())[0] * r[i];
            assert!((h - leverage[i]).abs() < 1e-8);
            assert!((influence - first_order[i]).abs() < 1e-8);
            let exact = group_effect(&x, &y, 0.5, &[i], &eval).unwrap()[0];
            assert!((influence / (1.0 - h) - exact).abs() < 1e-12);
        }
    }

    #[test]
    fn bad_input_is_named() {
        let (x, y, eval) = example();
        assert!(group_effect(&x, &y, -1.0, &[0], &eval).is_err());
        assert!(group_effect(&x, &y, 1.0, &[4], &eval).is_err());
        assert!(group_effect(&x, &y, 1.0, &[1, 1], &eval).is_err());
        assert!(group_effect(&x, &y.rows(0, 3).into(), 1.0, &[1], &eval).is_err());
        assert!(group_effect(&x, &y, 0.0, &[0, 1, 2], &eval).is_err());
        assert_eq!(group_effect(&x, &y, 1.0, &[], &eval).unwrap()[0], 0.0);
    }
}
