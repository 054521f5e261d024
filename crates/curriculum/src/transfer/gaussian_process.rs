//! # GaussianProcess
//!
//! What a quantity is at points where it was not measured, and how sure that is: regression with a squared-exponential kernel.
//!
//! Source: Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", algorithm 2.1 and section 5.4.1; bounds, noise and restarts as the
//! released code of arXiv 2408.04498 has them

use argmin::core::{CostFunction, Error, Executor};
use argmin::solver::neldermead::NelderMead;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::linalg::{DMatrix, DVector, cholesky_lower, inverse_spd};
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check, count, finite};

/// Measured points at most: the cost of a fit grows with their third power.
const POINTS: usize = 4096;

/// Steps of a search for the largest likelihood from one start, and the spread of the values at which it ends.
const STEPS: u64 = 60;
const SPREAD: f64 = 1e-9;

/// Configuration of a [`GaussianProcess`]: zero mean, kernel `variance * exp(-|x - x'|^2 / (2 length^2))`, noise on the diagonal.
///
/// Without [`with_fixed`](Self::with_fixed) variance and length are those of the largest marginal likelihood within their bounds, by Nelder and Mead's
/// simplex from 1 and 1 and from more starts drawn evenly in logarithms. The crates of Gaussian processes were left out: friedrich can't bound
/// the parameters, and egobox-gp estimates the noise; the likelihood is nalgebra's Cholesky decomposition, the search argmin's.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `noise` | .01, a standard deviation of .1 | 0 or more |
/// | `variances` | 1e-3 to 1e3 | above 0 |
/// | `lengths` | 1e-2 to 1e2 | above 0 |
/// | `restarts` | 9 | up to 1,000 |
/// | `fixed` | none | as the bounds |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct GaussianProcessConfig {
    noise: f64,
    variances: [f64; 2],
    lengths: [f64; 2],
    restarts: usize,
    fixed: Option<[f64; 2]>,
    seed: u64,
}

checked_serde!(GaussianProcessConfig);

impl Default for GaussianProcessConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl Checked for GaussianProcessConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check("noise", self.noise, self.noise >= 0.0, "0 or more")?;
        let fixed = self.fixed.unwrap_or([1.0, 1.0]);
        for (field, value) in [
            ("variances", self.variances[0]),
            ("variances", self.variances[1]),
            ("lengths", self.lengths[0]),
            ("lengths", self.lengths[1]),
            ("fixed", fixed[0]),
            ("fixed", fixed[1]),
        ] {
            let good = (1e-100..=1e100).contains(&value);
            check(field, value, good, "1e-100 to 1e100")?;
        }
        let ordered = |[low, high]: [f64; 2]| low <= high;
        let value = self.variances[0];
        check(
            "variances",
            value,
            ordered(self.variances),
            "from low to high",
        )?;
        let value = self.lengths[0];
        check("lengths", value, ordered(self.lengths), "from low to high")?;
        count(
            "restarts",
            self.restarts,
            self.restarts <= 1000,
            "up to 1000",
        )
    }
}

impl GaussianProcessConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            noise: 0.01,
            variances: [1e-3, 1e3],
            lengths: [1e-2, 1e2],
            restarts: 9,
            fixed: None,
            seed: 0,
        }
    }

    /// The variance of the noise of a measurement.
    #[must_use]
    pub fn with_noise(mut self, noise: f64) -> Self {
        self.noise = noise;
        self
    }

    /// The kernel's variance lies within these.
    #[must_use]
    pub fn with_variances(mut self, bounds: [f64; 2]) -> Self {
        self.variances = bounds;
        self
    }

    /// The kernel's length lies within these, in the units of the points.
    #[must_use]
    pub fn with_lengths(mut self, bounds: [f64; 2]) -> Self {
        self.lengths = bounds;
        self
    }

    /// So many more starts of the search.
    #[must_use]
    pub fn with_restarts(mut self, restarts: usize) -> Self {
        self.restarts = restarts;
        self
    }

    /// This variance and this length, with no search.
    #[must_use]
    pub fn with_fixed(mut self, variance: f64, length: f64) -> Self {
        self.fixed = Some([variance, length]);
        self
    }

    /// The seed of the starts.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Fits a process to what was measured at some points, all of one dimension.
    ///
    /// # Errors
    /// If there is no point or over 4,096, not one value a point, points differ in their dimension or have none, a number is not finite or above 1e100,
    /// or the matrix of the kernel is not positive definite, as without noise where a point comes twice.
    pub fn fit(&self, points: &[Vec<f64>], values: &[f64]) -> Result<GaussianProcess> {
        self.check()?;
        check_points("points", points)?;
        finite("values", values)?;
        count("points", points.len(), points.len() <= POINTS, "up to 4096")?;
        if points.len() != values.len() {
            return Err(CurriculumError::Lengths {
                ids: points.len(),
                losses: values.len(),
            });
        }
        for value in values {
            check("values", *value, value.abs() <= 1e100, "up to 1e100")?;
        }
        let data = Data {
            config: self,
            points,
            values: DVector::from_column_slice(values),
        };
        let [variance, length] = match self.fixed {
            Some(fixed) => fixed,
            None => data.likeliest(),
        };
        let covariance = data.covariance(variance, length);
        let inverse = inverse_spd(covariance).map_err(|error| CurriculumError::OutOfRange {
            field: "points",
            value: error.to_string(),
            allowed: "points whose covariance is positive definite: no noise, and one point twice?",
        })?;
        Ok(GaussianProcess {
            points: points.to_vec(),
            weights: &inverse * &data.values,
            inverse,
            variance,
            length,
        })
    }
}

/// Refuses no points, points of several dimensions or none, and numbers that are not finite or above 1e100.
pub(super) fn check_points(field: &'static str, points: &[Vec<f64>]) -> Result<()> {
    let Some(first) = points.first() else {
        return Err(CurriculumError::TooFew {
            field,
            found: 0,
            needed: 1,
        });
    };
    let dimensions = first.len();
    count(
        field,
        dimensions,
        dimensions > 0,
        "of one dimension or more",
    )?;
    for point in points {
        let same = point.len() == dimensions;
        count(field, point.len(), same, "all of one dimension")?;
        for value in point {
            check(
                field,
                *value,
                value.abs() <= 1e100,
                "finite numbers up to 1e100",
            )?;
        }
    }
    Ok(())
}

fn kernel(a: &[f64], b: &[f64], variance: f64, length: f64) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| ((a - b) / length).powi(2));
    variance * (-0.5 * squares.sum::<f64>()).exp()
}

struct Data<'a> {
    config: &'a GaussianProcessConfig,
    points: &'a [Vec<f64>],
    values: DVector<f64>,
}

impl Data<'_> {
    fn covariance(&self, variance: f64, length: f64) -> DMatrix<f64> {
        let count = self.points.len();
        DMatrix::from_fn(count, count, |i, j| {
            let noise = if i == j { self.config.noise } else { 0.0 };
            kernel(&self.points[i], &self.points[j], variance, length) + noise
        })
    }

    /// The logarithm of the marginal likelihood; minus infinity where the covariance is not positive definite.
    fn likelihood(&self, variance: f64, length: f64) -> f64 {
        let Ok(lower) = cholesky_lower(self.covariance(variance, length)) else {
            return f64::NEG_INFINITY;
        };
        let Some(whitened) = lower.solve_lower_triangular(&self.values) else {
            return f64::NEG_INFINITY;
        };
        let logs: f64 = lower.diagonal().iter().map(|value| value.ln()).sum();
        let count = self.points.len() as f64;
        -0.5 * whitened.norm_squared() - logs - 0.5 * count * std::f64::consts::TAU.ln()
    }

    /// Logarithms of the parameters, within their bounds.
    fn within(&self, logs: &[f64]) -> [f64; 2] {
        let bounds = [self.config.variances, self.config.lengths];
        [0, 1].map(|place| logs[place].exp().clamp(bounds[place][0], bounds[place][1]))
    }

    fn likeliest(&self) -> [f64; 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        let bounds = [self.config.variances, self.config.lengths].map(|bounds| bounds.map(f64::ln));
        let first = bounds.map(|[low, high]| 0.0_f64.clamp(low, high));
        let mut starts = vec![first];
        for _ in 0..self.config.restarts {
            starts.push(bounds.map(|[low, high]| low + (high - low) * rng.random::<f64>()));
        }
        let found = starts.into_iter().map(|start| self.searched(start));
        let best = found.max_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or_else(|| self.within(&first), |(found, _)| found)
    }

    /// The parameters at the end of a search, and their likelihood.
    fn searched(&self, start: [f64; 2]) -> ([f64; 2], f64) {
        let mut simplex = vec![start.to_vec(); 3];
        simplex[1][0] += 1.0;
        simplex[2][1] += 1.0;
        let at = |logs: &[f64]| {
            let [variance, length] = self.within(logs);
            ([variance, length], self.likelihood(variance, length))
        };
        let Ok(solver) = NelderMead::new(simplex).with_sd_tolerance(SPREAD) else {
            return at(&start);
        };
        let search = Executor::new(Search(self), solver);
        let done = search.configure(|state| state.max_iters(STEPS)).run();
        let best = done.ok().and_then(|done| done.state.best_param);
        at(best.as_deref().unwrap_or(&start))
    }
}

struct Search<'a>(&'a Data<'a>);

impl CostFunction for Search<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, logs: &Vec<f64>) -> std::result::Result<f64, Error> {
        let [variance, length] = self.0.within(logs);
        let likelihood = self.0.likelihood(variance, length);
        // Finite, so that a simplex leaves where there is none; and rising outside of the bounds, so that it comes back.
        let outside = (logs[0] - variance.ln()).abs() + (logs[1] - length.ln()).abs();
        Ok(-likelihood.max(-1e200) + outside)
    }
}

/// A fitted process.
#[derive(Clone, Debug)]
pub struct GaussianProcess {
    points: Vec<Vec<f64>>,
    weights: DVector<f64>,
    inverse: DMatrix<f64>,
    variance: f64,
    length: f64,
}

/// What a process says of a point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Belief {
    /// The posterior mean.
    pub mean: f64,
    /// The posterior standard deviation of the quantity itself, without the noise of a measurement.
    pub deviation: f64,
}

impl GaussianProcess {
    /// The kernel's variance.
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// The kernel's length.
    #[must_use]
    pub fn length(&self) -> f64 {
        self.length
    }

    /// The belief at a point.
    ///
    /// ```
    /// use regimen_curriculum::transfer::GaussianProcessConfig;
    ///
    /// let process = GaussianProcessConfig::new().with_fixed(1.0, 1.0).fit(&[vec![2.0]], &[0.8])?;
    /// let belief = process.at(&[1.0])?;
    /// assert!((belief.mean - 0.480420).abs() < 1e-6 && (belief.deviation - 0.797347).abs() < 1e-6);
    /// # Ok::<(), regimen_curriculum::CurriculumError>(())
    /// ```
    ///
    /// # Errors
    /// If the point has another dimension than the others, or a number that is not finite.
    pub fn at(&self, point: &[f64]) -> Result<Belief> {
        finite("point", point)?;
        let same = point.len() == self.points[0].len();
        count("point", point.len(), same, "of the dimension of the others")?;
        let near = self.points.iter();
        let near = near.map(|other| kernel(point, other, self.variance, self.length));
        let near = DVector::from_iterator(self.points.len(), near);
        let known = near.dot(&(&self.inverse * &near));
        Ok(Belief {
            mean: near.dot(&self.weights),
            deviation: (self.variance - known).max(0.0).sqrt(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_observation() {
        let process = GaussianProcessConfig::new().with_fixed(1.0, 1.0);
        let process = process.fit(&[vec![2.0]], &[0.8]).unwrap();
        let means = [0.107196, 0.480420, 0.792079, 0.480420, 0.107196];
        let deviations = [0.990891, 0.797347, 0.099504, 0.797347, 0.990891];
        for (x, (mean, deviation)) in means.into_iter().zip(deviations).enumerate() {
            let found = process.at(&[x as f64]).unwrap();
            assert_relative_eq!(found.mean, mean, epsilon = 1e-6);
            assert_relative_eq!(found.deviation, deviation, epsilon = 1e-6);
        }
    }

    /// No point of a fine grid within the bounds is likelier than what the search found.
    #[test]
    fn the_search_finds_the_likeliest_parameters() {
        let points: Vec<Vec<f64>> = [0.0, 9.0, 20.0, 31.0, 44.0, 49.0].map(|x| vec![x]).into();
        let values = [0.3, 0.9, 0.7, 0.75, 0.2, 0.35];
        let config = GaussianProcessConfig::new();
        let process = config.fit(&points, &values).unwrap();
        let data = Data {
            config: &config,
            points: &points,
            values: DVector::from_column_slice(&values),
        };
        let found = data.likelihood(process.variance(), process.length());
        let share = |i: i32| f64::from(i) / 60.0;
        for (i, j) in (0..=60).flat_map(|i| (0..=60).map(move |j| (i, j))) {
            let variance = 10_f64.powf(-3.0 + 6.0 * share(i));
            let length = 10_f64.powf(-2.0 + 4.0 * share(j));
            assert!(found >= data.likelihood(variance, length) - 1e-6);
        }
    }

    proptest! {
        #[test]
        fn a_belief_is_finite_and_no_less_sure_than_before(
            values in prop::collection::vec(-5.0..5.0_f64, 1..7),
            at in -10.0..10.0_f64,
        ) {
            let points: Vec<Vec<f64>> = (0..values.len()).map(|x| vec![x as f64 * 1.3]).collect();
            let process = GaussianProcessConfig::new().with_restarts(2).fit(&points, &values).unwrap();
            let found = process.at(&[at]).unwrap();
            prop_assert!(found.mean.is_finite());
            prop_assert!((0.0..=process.variance().sqrt() + 1e-9).contains(&found.deviation));
            prop_assert!((1e-3..=1e3).contains(&process.variance()));
            prop_assert!((1e-2..=1e2).contains(&process.length()));
        }
    }
}
