//! # quadratic_program
//!
//! The quadratic program of gradient episodic memory, exactly, on the host.
//!
//! Source: Lopez-Paz and Ranzato, "Gradient episodic memory for continual learning" (arXiv 1706.08840), equation 11; solved by the
//! active-set method of Lawson and Hanson.

use regimen_tensor::linalg::{DMatrix, DVector, solve_spd};

use crate::error::strength;
use crate::{ContinualError, Result};

/// `argmin_v 1/2 v^T (gram + ridge I) v + products^T v` with every `v_k >= margin`: the multipliers by which memory gradients are
/// added to a gradient.
///
/// | argument | meaning |
/// |---|---|
/// | `gram` | `G G^T` of the memory gradients, one a row of G, `[tasks, tasks]` |
/// | `products` | `G g` with the gradient g, `[tasks]` |
/// | `margin` | least multiplier, 0 or more: gamma of the paper |
/// | `ridge` | 0 or more; 1e-3 in the released code |
///
/// The ridge makes the solution unique where memory gradients depend on each other, and short of exact: a gradient `(1, 0)` against a
/// memory gradient `(-1, 0)` leaves `ridge / (1 + ridge)` of it, (0, 0) as the ridge goes to 0. It is an absolute number: it weighs more
/// where gradients are small.
///
/// It ends after a bounded number of steps whatever the numbers are, always with multipliers that are allowed: where rounding stops the
/// exact method, a bounded number of rounds of coordinate descent finishes.
///
/// ```
/// use regimen_continual::projections::quadratic_program;
/// use regimen_tensor::linalg::{DMatrix, DVector};
///
/// // memory gradients (1, 0, 0) and (0, 1, 0), gradient (-1, 2, 1)
/// let (gram, products) = (DMatrix::identity(2, 2), DVector::from_vec(vec![-1.0, 2.0]));
/// let v = quadratic_program(&gram, &products, 0.0, 1e-3)?;
/// assert!((v[0] - 0.999001).abs() < 1e-6 && v[1] == 0.0);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If the sizes differ, `margin` or `ridge` is negative or not finite, or a product is not finite.
pub fn quadratic_program(
    gram: &DMatrix<f64>,
    products: &DVector<f64>,
    margin: f64,
    ridge: f64,
) -> Result<DVector<f64>> {
    let n = products.len();
    strength("margin", margin)?;
    strength("ridge", ridge)?;
    if gram.shape() != (n, n) {
        let found = format!("{:?}", gram.shape());
        return Err(ContinualError::mismatch(
            "products of memory gradients",
            format!("({n}, {n})"),
            found,
        ));
    }
    let a = (gram + gram.transpose()) * 0.5 + DMatrix::identity(n, n) * ridge;
    // With v = margin + x: x >= 0.
    let c = products + &a * DVector::repeat(n, margin);
    if a.iter().chain(c.iter()).any(|value| !value.is_finite()) {
        return Err(ContinualError::NotFinite(
            "products of memory gradients".into(),
        ));
    }
    let (mut x, done) = active_set(&a, &c);
    if !done {
        coordinate_descent(&a, &c, &mut x);
    }
    Ok(x.add_scalar(margin))
}

/// What is taken for rounding in a slope.
fn rounding(c: &DVector<f64>) -> f64 {
    1e-12 * c.amax()
}

/// Coordinates that are free, one more at a time; whether it came to its end.
fn active_set(a: &DMatrix<f64>, c: &DVector<f64>) -> (DVector<f64>, bool) {
    let n = c.len();
    let mut x = DVector::zeros(n);
    let mut free = vec![false; n];
    for _ in 0..10 * (n + 1) {
        let slope = a * &x + c;
        let next = (0..n).filter(|k| !free[*k] && slope[*k] < -rounding(c));
        let Some(next) = next.min_by(|i, j| slope[*i].total_cmp(&slope[*j])) else {
            return (x, true);
        };
        free[next] = true;
        // Each round binds at least one coordinate again.
        loop {
            let places: Vec<usize> = (0..n).filter(|k| free[*k]).collect();
            if places.is_empty() {
                return (x, false);
            }
            let part = a.select_rows(&places).select_columns(&places);
            let Ok(target) = solve_spd(part, &-c.select_rows(&places)) else {
                return (x, false);
            };
            if target.iter().any(|value| !value.is_finite()) {
                return (x, false);
            }
            let pairs = || places.iter().copied().zip(target.iter().copied());
            let share = |(k, target): (usize, f64)| x[k] / (x[k] - target);
            let outside = pairs().filter(|(_, target)| *target <= 0.0);
            let blocking = outside.min_by(|i, j| share(*i).total_cmp(&share(*j)));
            let Some(blocking) = blocking else {
                pairs().for_each(|(k, target)| x[k] = target);
                break;
            };
            let share = share(blocking).clamp(0.0, 1.0);
            for (k, target) in pairs() {
                x[k] += share * (target - x[k]);
                if k == blocking.0 || (x[k] <= 0.0 && target <= 0.0) {
                    (x[k], free[k]) = (0.0, false);
                }
            }
            x.iter_mut().for_each(|value| *value = value.max(0.0));
        }
    }
    (x, false)
}

/// Each coordinate to its best in turn: never worse, and always allowed.
fn coordinate_descent(a: &DMatrix<f64>, c: &DVector<f64>, x: &mut DVector<f64>) {
    for _ in 0..1000 {
        let mut moved = 0.0_f64;
        for k in 0..c.len() {
            let slope = a.column(k).dot(x) + c[k];
            let best = (x[k] - slope / a[(k, k)]).max(0.0);
            if a[(k, k)] > 0.0 && best.is_finite() {
                moved = moved.max((best - x[k]).abs() / best.max(f64::MIN_POSITIVE));
                x[k] = best;
            }
        }
        if moved <= 1e-12 {
            break;
        }
    }
}
