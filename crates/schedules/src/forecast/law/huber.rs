//! Robust fits of positive parameters: Huber's loss of logarithms, minimised from many starts.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use argmin::core::{CostFunction, Error as ArgminError, Executor, Gradient};
use argmin::solver::quasinewton::LBFGS;
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use regimen_tensor::checked::Checked;
use regimen_tensor::{Watch, checked_serde, floats};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check, check_not_negative};
use crate::solve::{Asked, Bounded};

/// A law with positive parameters at the points of a fit.
pub(crate) trait Law: Sync {
    /// The prediction at a point, and its derivative by each parameter.
    fn predict(&self, parameters: &[f64], point: usize, slopes: &mut [f64]) -> f64;
}

/// How well a law fits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Quality {
    /// The sum of Huber's losses of `log observed - log predicted`, at the minimum.
    pub objective: f64,
    /// The share of the best constant's objective that the law explains, `1 - objective / constant`: near 1 for a law that
    /// follows the values, near 0 for one that a constant does as well as. A fit of less than 0.001 is refused.
    pub explained: f64,
    /// Mean of `|observed - predicted| / observed` over the fitted points.
    pub mape: f64,
    /// The largest of them.
    pub largest: f64,
    /// Starts that ended within a thousandth of the minimum, and starts in all: few of many mean an uncertain fit.
    pub agreeing: (usize, usize),
    /// Standard error of each parameter, from the slopes at the minimum and the mean square of the residuals. Residuals of
    /// one run go together, so the true uncertainty is larger. Infinite where the points do not tell a parameter from
    /// the others.
    #[serde(with = "floats")]
    pub standard_errors: Vec<f64>,
}
checked_serde!(Quality);

impl Checked for Quality {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_not_negative("objective", self.objective)?;
        let allowed = "a finite number up to 1";
        check("explained", self.explained, self.explained <= 1.0, allowed)?;
        check_not_negative("mape", self.mape)?;
        let largest = self.largest;
        check(
            "largest",
            largest,
            largest >= self.mape * (1.0 - 1e-9),
            "`mape` or more",
        )?;
        let (some, all) = self.agreeing;
        check(
            "agreeing",
            some as f64,
            some <= all,
            "no more than the starts",
        )?;
        for error in &self.standard_errors {
            let shown = if *error == f64::INFINITY { 0.0 } else { *error };
            check("standard_errors", shown, shown >= 0.0, "0 or more")?;
        }
        Ok(())
    }
}

impl Quality {
    /// Refuses a law of another number of parameters.
    pub(super) fn check_width(&self, width: usize) -> Result<()> {
        let count = self.standard_errors.len();
        let allowed = "one for each parameter";
        check("standard_errors", count as f64, count == width, allowed)
    }
}

/// What a law must explain at least.
const EXPLAINED: f64 = 1e-3;

/// `r^2 / 2` within `delta` of 0, and `delta |r| - delta^2 / 2` beyond.
pub(crate) fn huber(r: f64, delta: f64) -> f64 {
    if r.abs() < delta {
        0.5 * r * r
    } else {
        delta * r.abs() - 0.5 * delta * delta
    }
}

/// Observed values that a law is to predict.
pub(crate) struct Problem<'a, L> {
    pub(crate) law: &'a L,
    pub(crate) observed: &'a [f64],
    /// Which points count.
    pub(crate) points: Vec<usize>,
    pub(crate) delta: f64,
    /// What the values are called in errors.
    pub(crate) field: &'static str,
}

/// Points that the starts are compared on; the best of them goes on with all.
const FEW: usize = 100;

/// Searches of one start at most.
const SEARCHES: usize = 20;

/// Iterations of one search at most.
const ITERATIONS: u64 = 1000;

/// Steps that are tried along one direction at most: along a kink the conditions on the slope may not be met anywhere.
const STEPS: u64 = 40;

/// Predictions below this share of the observed value have their logarithm drawn on as a line: it stays finite, and leads
/// back to where the law makes sense.
const FLOOR: f64 = 1e-2;

impl<L: Law> Problem<'_, L> {
    /// The objective, and its gradient by the logarithms of the parameters.
    fn value_and_gradient(&self, logs: &[f64]) -> (f64, Vec<f64>) {
        let parameters: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
        let mut slopes = vec![0.0; logs.len()];
        let (mut value, mut gradient) = (0.0, vec![0.0; logs.len()]);
        for point in &self.points {
            let observed = self.observed[*point];
            let ratio = self.law.predict(&parameters, *point, &mut slopes) / observed;
            let (log, steep) = if ratio > FLOOR {
                (ratio.ln(), 1.0 / ratio)
            } else {
                (FLOOR.ln() + (ratio - FLOOR) / FLOOR, 1.0 / FLOOR)
            };
            value += huber(log, self.delta);
            let pull = log.clamp(-self.delta, self.delta) * steep / observed;
            for (sum, slope) in gradient.iter_mut().zip(&slopes) {
                *sum += pull * slope;
            }
        }
        let by_log = gradient.iter().zip(&parameters).map(|(g, p)| g * p);
        (value, by_log.collect())
    }

    /// Parameters and objective from one start; none if no search from there succeeds. The kinks of the objective may end a search
    /// early: another one, which forgets the curvature, follows as long as it gains something.
    fn descend(&self, start: &[f64], watch: &Watch) -> Option<(Vec<f64>, f64)> {
        let mut best = self.search(start, watch)?;
        for _ in 0..SEARCHES {
            if watch.is_stopped() {
                break;
            }
            let Some(next) = self.search(&best.0, watch) else {
                break;
            };
            let gained = best.1 - next.1;
            if gained > 0.0 {
                best = next;
            }
            if gained <= 1e-9 * best.1 {
                break;
            }
        }
        Some(best)
    }

    /// One search by limited-memory BFGS.
    fn search(&self, start: &[f64], watch: &Watch) -> Option<(Vec<f64>, f64)> {
        let solver = LBFGS::new(Bounded::new(STEPS), 10)
            .with_tolerance_grad(1e-9)
            .and_then(|solver| solver.with_tolerance_cost(1e-14))
            .ok()?;
        let logs = start.iter().map(|p| p.ln()).collect();
        let goes_on = |_| !watch.is_stopped();
        let run = Executor::new(Of(self), Asked { solver, goes_on })
            .configure(|state| state.param(logs).max_iters(ITERATIONS))
            .run()
            .ok()?;
        let (logs, cost) = (run.state.best_param?, run.state.best_cost);
        let parameters: Vec<f64> = logs.iter().map(|log: &f64| log.exp()).collect();
        let finite = cost.is_finite() && parameters.iter().all(|p| p.is_finite());
        finite.then_some((parameters, cost))
    }

    /// The best parameters over all starts, and how well they fit.
    ///
    /// A step of the watched work is a start, or the last search over all points. What is stopped has tried one start at least.
    pub(crate) fn minimise(
        &self,
        starts: &[Vec<f64>],
        watch: &Watch,
    ) -> Result<(Vec<f64>, Quality)> {
        let stride = self.points.len().div_ceil(FEW).max(1);
        let few = Problem {
            points: self.points.iter().copied().step_by(stride).collect(),
            ..*self
        };
        let (done, total) = (AtomicUsize::new(0), starts.len() + 1);
        let tried = |start: &Vec<f64>| {
            if done.load(Relaxed) > 0 && watch.is_stopped() {
                return None;
            }
            let end = few.descend(start, watch);
            let _ = watch.goes_on("fit", done.fetch_add(1, Relaxed) + 1, total);
            end
        };
        let ends = starts.par_iter().filter_map(tried);
        let mut ends: Vec<(Vec<f64>, f64)> = ends.collect();
        ends.sort_by(|a, b| a.1.total_cmp(&b.1));
        let Some((parameters, least)) = ends.first() else {
            return Err(Error::NotOptimised("every start failed".into()));
        };
        let near = |cost: f64| cost <= least + 1e-3 * least.max(1e-9);
        let agreeing = ends.iter().filter(|(_, cost)| near(*cost)).count();
        let (own, _) =
            self.value_and_gradient(&parameters.iter().map(|p| p.ln()).collect::<Vec<_>>());
        let better = if watch.is_stopped() {
            None
        } else {
            self.descend(parameters, watch)
        };
        let (parameters, objective) = match better {
            Some((better, objective)) if objective <= own => (better, objective),
            _ => (parameters.clone(), own),
        };
        let _ = watch.goes_on("fit", total, total);
        let quality = self.quality(&parameters, objective, (agreeing, starts.len()));
        quality.check()?;
        if quality.explained < EXPLAINED {
            return Err(Error::NotRepresented {
                field: self.field,
                explained: quality.explained,
            });
        }
        Ok((parameters, quality))
    }

    /// The objective of the best constant: of the mean or the median of the logarithms.
    fn constant(&self) -> f64 {
        let mut logs: Vec<f64> = self
            .points
            .iter()
            .map(|at| self.observed[*at].ln())
            .collect();
        logs.sort_by(f64::total_cmp);
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let median = logs[logs.len() / 2];
        let objective =
            |level: f64| -> f64 { logs.iter().map(|log| huber(log - level, self.delta)).sum() };
        objective(mean).min(objective(median))
    }

    /// How well parameters fit these points.
    pub(crate) fn quality(
        &self,
        parameters: &[f64],
        objective: f64,
        agreeing: (usize, usize),
    ) -> Quality {
        let (count, width) = (self.points.len(), parameters.len());
        let mut slopes = vec![0.0; width];
        let (mut errors, mut residuals) = (Vec::new(), 0.0);
        let mut normal = DMatrix::<f64>::zeros(width, width);
        for point in &self.points {
            let observed = self.observed[*point];
            let predicted = self.law.predict(parameters, *point, &mut slopes);
            errors.push((observed - predicted).abs() / observed);
            residuals += (observed - predicted).powi(2);
            let slopes = DVector::from_column_slice(&slopes);
            normal += &slopes * slopes.transpose();
        }
        let free = count.saturating_sub(width).max(1) as f64;
        let standard_errors = match normal.cholesky() {
            Some(factor) => {
                let spread = factor.inverse().diagonal() * (residuals / free);
                spread
                    .iter()
                    .map(|variance| variance.max(0.0).sqrt())
                    .collect()
            }
            None => vec![f64::INFINITY; width],
        };
        let constant = self.constant();
        // Values that are equal but for rounding leave nothing to explain.
        let explained = if constant > 1e-24 * count as f64 {
            1.0 - objective / constant
        } else {
            0.0
        };
        Quality {
            objective,
            explained,
            mape: errors.iter().sum::<f64>() / count as f64,
            largest: errors.into_iter().fold(0.0, f64::max),
            agreeing,
            standard_errors,
        }
    }
}

/// The problem as the optimiser takes it.
struct Of<'a, 'b, L>(&'a Problem<'b, L>);

impl<L: Law> CostFunction for Of<'_, '_, L> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, logs: &Self::Param) -> std::result::Result<f64, ArgminError> {
        Ok(self.0.value_and_gradient(logs).0)
    }
}

impl<L: Law> Gradient for Of<'_, '_, L> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, logs: &Self::Param) -> std::result::Result<Vec<f64>, ArgminError> {
        Ok(self.0.value_and_gradient(logs).1)
    }
}

/// All combinations of one value from each list.
pub(crate) fn grid(lists: &[&[f64]]) -> Vec<Vec<f64>> {
    let none = vec![Vec::new()];
    lists.iter().fold(none, |starts, list| {
        let longer = |start: Vec<f64>| {
            list.iter().map(move |value| {
                let mut start = start.clone();
                start.push(*value);
                start
            })
        };
        starts.into_iter().flat_map(longer).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn huber_losses() {
        for (r, expected) in [
            (5e-4, 1.25e-7),
            (1e-3, 5e-7),
            (5e-3, 4.5e-6),
            (-5e-3, 4.5e-6),
        ] {
            assert_relative_eq!(huber(r, 1e-3), expected, max_relative = 1e-12);
        }
    }

    #[test]
    fn a_grid_has_every_combination() {
        let starts = grid(&[&[1.0, 2.0], &[3.0], &[4.0, 5.0]]);
        assert_eq!(starts.len(), 4);
        assert_eq!(starts[1], [1.0, 3.0, 5.0]);
    }

    struct Line;

    impl Law for Line {
        fn predict(&self, parameters: &[f64], point: usize, slopes: &mut [f64]) -> f64 {
            slopes.copy_from_slice(&[1.0, -(point as f64)]);
            parameters[0] - parameters[1] * point as f64
        }
    }

    /// The last points are predicted below 0 at first: the line that goes on from the logarithm leads back.
    #[test]
    fn the_gradient_is_that_of_the_objective() {
        let observed = [2.0, 1.7, 1.2, 0.9];
        let problem = Problem {
            law: &Line,
            observed: &observed,
            points: (0..4).collect(),
            delta: 0.05,
            field: "observed",
        };
        for logs in [[0.3, -1.0], [0.0, 0.5], [1.2, -2.0]] {
            let (_, gradient) = problem.value_and_gradient(&logs);
            for axis in 0..2 {
                let moved = |step: f64| {
                    let mut logs = logs;
                    logs[axis] += step;
                    problem.value_and_gradient(&logs).0
                };
                let numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                assert_relative_eq!(gradient[axis], numeric, max_relative = 1e-4, epsilon = 1e-8);
            }
        }
    }
}
