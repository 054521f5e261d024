//! The numerical variant: step sizes by optimisation instead of in closed form.

use argmin::core::{CostFunction, Error as ArgminError, Executor, Gradient};
use argmin::solver::quasinewton::LBFGS;
use regimen_tensor::Watch;

use super::refined::{Norm, weights};
use super::smoothing::finite;
use crate::error::{Error, Result, check, check_not_negative, finite_result};
use crate::solve::{Asked, Bounded};

/// The bound that the numerical variant minimises, over positive step sizes `lambda` of plain SGD:
///
/// `[D^2 + sum_t G_t^2 lambda_t^2] / (2 sum lambda)
///  + 1/2 sum_{t < T} lambda_t Q_t / (L_t L_{t+1})`,
/// with the tails `Q_t = sum_{p >= t} G_p^2 lambda_p^2` and `L_t = sum_{p >= t} lambda_p`.
///
/// # Errors
/// If the lengths differ, or a value or the bound is not finite, a weight is not above 0, or the distance is negative.
pub fn numerical_objective(lambda: &[f64], norms: &[f64], distance: f64) -> Result<f64> {
    finite("lambda", lambda)?;
    finite("norms", norms)?;
    let least = lambda.iter().copied().fold(f64::INFINITY, f64::min);
    check("lambda", least, least > 0.0, "above 0")?;
    check(
        "norms",
        norms.len() as f64,
        norms.len() == lambda.len(),
        "as many as `lambda`",
    )?;
    check_not_negative("distance", distance)?;
    let largest = norms.iter().copied().fold(0.0, f64::max);
    finite_result(
        "norms",
        value_and_gradient(lambda, norms, distance).0,
        largest,
    )
}

/// The step sizes that minimise [`numerical_objective`], for [`Refined::from_step_sizes`].
///
/// They are rates themselves: for constant norms they come out close to linear decay. Started at `D / sqrt(T)`; limited-memory BFGS of memory 20. The released script bounds the
/// step sizes from below by 1e-8; here they are `1e-8 + exp(u)`, which keeps the bound and frees `u`.
///
/// # Errors
/// If a norm is not finite or not above 0, the distance is not above 0, norms or distance are so large or small that the bound at
/// the start is not finite, or the optimiser stops without a result.
///
/// [`Refined::from_step_sizes`]: crate::Refined::from_step_sizes
pub fn numerical_step_sizes(norms: &[f64], distance: f64) -> Result<Vec<f64>> {
    numerical_step_sizes_watched(norms, distance, &Watch::default())
}

/// [`numerical_step_sizes`], watched as `"refine"`: a step is an iteration of at most 2000, each a few passes over the norms. Work
/// that is stopped returns the best step sizes so far, those of the start at first.
///
/// # Errors
/// As [`numerical_step_sizes`].
#[tracing::instrument(name = "refine", skip_all, fields(norms = norms.len()))]
pub fn numerical_step_sizes_watched(
    norms: &[f64],
    distance: f64,
    watch: &Watch,
) -> Result<Vec<f64>> {
    weights(norms, Norm::L2)?;
    check("distance", distance, distance > 0.0, "above 0")?;
    let problem = Problem { norms, distance };
    let start = (distance / (norms.len() as f64).sqrt()).ln();
    let largest = norms.iter().copied().fold(0.0, f64::max);
    let (at_start, slopes) = value_and_gradient(&vec![weight(start); norms.len()], norms, distance);
    finite_result("distance", start, distance)?;
    finite_result("norms", at_start + slopes.iter().sum::<f64>(), largest)?;
    let fail = |error: ArgminError| Error::NotOptimised(error.to_string());
    let solver = LBFGS::new(Bounded::new(STEPS), 20)
        .with_tolerance_grad(1e-10)
        .and_then(|solver| solver.with_tolerance_cost(1e-14))
        .map_err(fail)?;
    let goes_on = |done: u64| watch.goes_on("refine", done as usize, ITERATIONS as usize);
    let result = Executor::new(problem, Asked { solver, goes_on })
        .configure(|state| {
            let start = vec![start; norms.len()];
            state.param(start).max_iters(ITERATIONS)
        })
        .run()
        .map_err(fail)?;
    let best = result.state.best_param;
    let best = best.ok_or_else(|| Error::NotOptimised("no iterate".into()))?;
    Ok(best.into_iter().map(weight).collect())
}

/// Iterations at most.
const ITERATIONS: u64 = 2000;

/// Steps along one direction at most.
const STEPS: u64 = 200;

fn weight(u: f64) -> f64 {
    1e-8 + u.exp()
}

struct Problem<'a> {
    norms: &'a [f64],
    distance: f64,
}

impl CostFunction for Problem<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, u: &Self::Param) -> std::result::Result<f64, ArgminError> {
        let lambda: Vec<f64> = u.iter().copied().map(weight).collect();
        let (value, _) = value_and_gradient(&lambda, self.norms, self.distance);
        number(value)
    }
}

/// Refuses what is no number, from which the line search finds no way back: squares that overflow lead there.
fn number(value: f64) -> std::result::Result<f64, ArgminError> {
    if !value.is_finite() {
        return Err(ArgminError::msg(
            "the bound is not a number: the norms are too large or too small",
        ));
    }
    Ok(value)
}

impl Gradient for Problem<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, u: &Self::Param) -> std::result::Result<Vec<f64>, ArgminError> {
        let lambda: Vec<f64> = u.iter().copied().map(weight).collect();
        let (_, gradient) = value_and_gradient(&lambda, self.norms, self.distance);
        let pairs = gradient.iter().zip(u);
        pairs.map(|(g, u)| number(g * u.exp())).collect()
    }
}

/// The objective and its gradient in one pass from the end and one from the start.
fn value_and_gradient(lambda: &[f64], norms: &[f64], distance: f64) -> (f64, Vec<f64>) {
    let count = lambda.len();
    let square = |t: usize| norms[t].powi(2) * lambda[t].powi(2);
    let (mut q, mut l) = (vec![0.0; count + 1], vec![0.0; count + 1]);
    for t in (0..count).rev() {
        q[t] = q[t + 1] + square(t);
        l[t] = l[t + 1] + lambda[t];
    }
    let first = (distance.powi(2) + q[0]) / (2.0 * l[0]);
    let term = |t: usize| 0.5 * lambda[t] * q[t] / (l[t] * l[t + 1]);
    let value = first + (0..count - 1).map(term).sum::<f64>();
    // Sums over the terms t <= p of how each depends on the tails that hold lambda_p.
    let (mut by_q, mut by_l, mut by_next) = (0.0, 0.0, 0.0);
    let mut gradient = Vec::with_capacity(count);
    for p in 0..count {
        // Terms before p hold lambda_p in L_{t+1}; term p holds it in L_p and Q_p only.
        by_next = if p == 0 {
            0.0
        } else {
            by_next - term(p - 1) / l[p]
        };
        let direct = if p + 1 < count {
            by_q += 0.5 * lambda[p] / (l[p] * l[p + 1]);
            by_l -= term(p) / l[p];
            term(p) / lambda[p]
        } else {
            0.0
        };
        let squares = 2.0 * norms[p].powi(2) * lambda[p];
        let outer = squares / (2.0 * l[0]) - first / l[0];
        gradient.push(outer + direct + squares * by_q + by_l + by_next);
    }
    (value, gradient)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::{assert_abs_diff_eq, assert_relative_eq};

    use super::*;

    #[test]
    fn numerical_objective_of_ones() {
        let value = numerical_objective(&[1.0; 3], &[1.0; 3], 1.0).unwrap();
        assert_abs_diff_eq!(value, 1.4166666667, epsilon = 1e-9);
    }

    #[test]
    fn the_gradient_is_that_of_the_objective() {
        let (lambda, norms) = ([0.7, 1.3, 0.4, 0.9], [1.0, 0.5, 2.0, 1.5]);
        let (_, gradient) = value_and_gradient(&lambda, &norms, 1.2);
        for p in 0..4 {
            let at = |h: f64| {
                let mut moved = lambda;
                moved[p] += h;
                value_and_gradient(&moved, &norms, 1.2).0
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert_relative_eq!(gradient[p], difference, epsilon = 1e-8, max_relative = 1e-6);
        }
    }

    #[test]
    fn constant_norms_t50_are_close_to_linear() {
        let sizes = numerical_step_sizes(&[1.0; 50], 1.0).unwrap();
        let rate = crate::Refined::from_step_sizes(&sizes).unwrap();
        let expected = [(0, 1.0), (10, 0.80), (25, 0.51), (40, 0.22)];
        for (t, value) in expected {
            let relative = rate.shape()[t] / rate.shape()[0];
            assert_abs_diff_eq!(relative, value, epsilon = 0.02);
        }
    }

    #[test]
    fn bad_input_is_refused() {
        assert!(numerical_objective(&[1.0], &[1.0, 1.0], 1.0).is_err());
        assert!(numerical_objective(&[0.0], &[1.0], 1.0).is_err());
        assert!(numerical_step_sizes(&[1.0, 0.0], 1.0).is_err());
        assert!(numerical_step_sizes(&[1.0, 1.0], 0.0).is_err());
    }
}
