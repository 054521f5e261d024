//! The accuracy pattern and its least-squares fit.

use std::f64::consts::LN_10;

use argmin::core::{CostFunction, Error as ArgminError, Executor};
use argmin::solver::brent::BrentOpt;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check};

/// Exponents among which the fit looks, as logarithms: from 0.01 to 10.
const EXPONENTS: (f64, f64) = (-2.0 * LN_10, LN_10);

/// Exponents of the coarse search that brackets the best one.
const GRID: usize = 96;

/// An accuracy that grows with the data: `pi(x) = c - a x^(-b)`.
///
/// Positive `a` and `b` make it increasing, concave and bounded by `c`. The unit of `a` and `c` is
/// the accuracy's: percent, unless you use shares everywhere.
///
/// ```
/// use regimen_schedules::forecast::learning_curve::PowerLaw;
///
/// let law = PowerLaw::new(40.0, 0.35, 97.0)?;
/// assert!((law.at(1000.0) - 93.43499625).abs() < 1e-8);
/// // How much more data until less than one point is left to gain:
/// assert!((law.size_for(1.0) - 37_784.55).abs() < 0.01);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct PowerLaw {
    /// The gain that is open at size 1; 0 or more.
    pub a: f64,
    /// How fast the gain is used up; above 0.
    pub b: f64,
    /// The asymptote; finite.
    pub c: f64,
}

checked_serde!(PowerLaw);

impl Checked for PowerLaw {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check("a", self.a, self.a >= 0.0, "0 or more")?;
        check("b", self.b, self.b > 0.0, "above 0")?;
        check("c", self.c, true, "finite")
    }
}

impl PowerLaw {
    /// A law of known parameters. `a = 0` is a learner that has nothing left to gain.
    ///
    /// # Errors
    /// If a parameter is not finite, `a` is below 0, or `b` is not above 0.
    pub fn new(a: f64, b: f64, c: f64) -> Result<Self> {
        Self { a, b, c }.checked()
    }

    /// The one law through three accuracies at sizes `x`, `r x` and `r^2 x`:
    /// `q = (y3 - y2) / (y2 - y1)`, `b = -ln q / ln r`, `c = (y1 y3 - y2^2) / (y1 + y3 - 2 y2)`.
    ///
    /// # Errors
    /// If `x` is not above 0, `ratio` not above 1, or the accuracies do not grow by less each time.
    pub fn through(x: f64, ratio: f64, accuracies: [f64; 3]) -> Result<Self> {
        check("x", x, x > 0.0, "above 0")?;
        check("ratio", ratio, ratio > 1.0, "above 1")?;
        let [y1, y2, y3] = accuracies;
        let (first, second) = (y2 - y1, y3 - y2);
        check("second gain", second, second > 0.0, "above 0")?;
        check("first gain", first, first > second, "above the second gain")?;
        let b = -(second / first).ln() / ratio.ln();
        let c = y1 + first * first / (first - second);
        Self::new((c - y1) * x.powf(b), b, c)
    }

    /// The least-squares law of accuracies at increasing sizes, and, with an `anchor`, of one more
    /// residual `c - anchor`: an observation at infinity.
    ///
    /// For a given `b` the law is linear in `a` and `c`, whose best values are exact; what is left
    /// is a search over `b` alone, between 0.01 and 10, by a grid and then Brent's method. It finds
    /// the minimum that a bounded fit of all three parameters looks for, and needs no starting
    /// point. Accuracies that fall or stay are no curve of this kind: `a` stops at its bound of 0, which says so, and `c` is
    /// their mean.
    ///
    /// # Errors
    /// [`Error::TooFew`] for fewer than three points; [`Error::OutOfRange`] if the lengths differ,
    /// a value is not finite, sizes are not above 0 and increasing, accuracies are so large that their squares are not numbers, or the first size is so large that `a` is beyond the range
    /// of numbers: give sizes in thousands then.
    pub fn fit(sizes: &[f64], accuracies: &[f64], anchor: Option<f64>) -> Result<Self> {
        check_points(sizes, accuracies)?;
        if let Some(anchor) = anchor {
            check("anchor", anchor, true, "finite")?;
        }
        let points = Points {
            logs: sizes.iter().map(|x| (x / sizes[0]).ln()).collect(),
            accuracies,
            anchor,
        };
        let step = (EXPONENTS.1 - EXPONENTS.0) / GRID as f64;
        let exponent = |index: usize| EXPONENTS.0 + step * index as f64;
        let costs: Vec<f64> = (0..=GRID).map(|i| points.best(exponent(i)).error).collect();
        let best = (0..=GRID).min_by(|i, j| costs[*i].total_cmp(&costs[*j]));
        let best = best.unwrap_or(0);
        let (low, high) = (
            exponent(best.saturating_sub(1)),
            exponent(GRID.min(best + 1)),
        );
        let solver = BrentOpt::new(low, high).set_tolerance(1e-13, 1e-13);
        let result = Executor::new(points.clone(), solver)
            .configure(|state| state.max_iters(200))
            .run()
            .map_err(|error| Error::NotOptimised(error.to_string()))?;
        let found = result.state.best_param.unwrap_or_else(|| exponent(best));
        let (refined, grid) = (points.best(found), points.best(exponent(best)));
        let (log, line) = if refined.error <= grid.error {
            (found, refined)
        } else {
            (exponent(best), grid)
        };
        check(
            "accuracies",
            line.asymptote,
            line.error.is_finite() && line.slope.is_finite(),
            "smaller, as shares or percent: their squares overflow",
        )?;
        let b = log.exp();
        let a = line.slope * sizes[0].powf(b);
        check(
            "sizes[0]",
            sizes[0],
            a.is_finite(),
            "smaller, as in thousands: `a` overflows",
        )?;
        Self::new(a, b, line.asymptote)
    }

    /// The accuracy at a size above 0; minus infinity at 0, unless `a` is 0.
    #[must_use]
    pub fn at(&self, size: f64) -> f64 {
        self.c - self.layer(size)
    }

    /// The layer of convergence `chi(x) = a x^(-b)`: the largest gain that is still to come. 0 if `a` is.
    #[must_use]
    pub fn layer(&self, size: f64) -> f64 {
        if self.a == 0.0 {
            return 0.0;
        }
        self.a * size.powf(-self.b)
    }

    /// The size from which no more than `threshold` is left to gain: `(a / threshold)^(1 / b)`.
    ///
    /// Infinite for a threshold of 0 or below, unless `a` is 0.
    #[must_use]
    pub fn size_for(&self, threshold: f64) -> f64 {
        if self.a == 0.0 {
            return 0.0;
        }
        if threshold <= 0.0 {
            return f64::INFINITY;
        }
        (self.a / threshold).powf(1.0 / self.b)
    }
}

fn check_points(sizes: &[f64], accuracies: &[f64]) -> Result<()> {
    let count = sizes.len();
    if count < 3 {
        return Err(Error::TooFew {
            field: "sizes",
            found: count,
            needed: 3,
        });
    }
    let found = accuracies.len();
    check(
        "accuracies",
        found as f64,
        found == count,
        "one for each size",
    )?;
    let mut last = 0.0;
    for size in sizes {
        check("size", *size, *size > last, "above 0 and the one before")?;
        last = *size;
    }
    let mut values = accuracies.iter();
    values.try_for_each(|value| check("accuracy", *value, true, "finite"))
}

/// What is fitted: logarithms of relative sizes, accuracies, and the accuracy at infinity.
#[derive(Clone)]
struct Points<'a> {
    logs: Vec<f64>,
    accuracies: &'a [f64],
    anchor: Option<f64>,
}

/// The best `asymptote - slope * u` for one exponent.
struct Line {
    slope: f64,
    asymptote: f64,
    error: f64,
}

impl Points<'_> {
    /// Simple linear regression on `u = (x / x_1)^(-b)`; the anchor is a point at `u = 0`.
    fn best(&self, log_exponent: f64) -> Line {
        let b = log_exponent.exp();
        let observed = self.logs.iter().map(|log| (-b * log).exp());
        let observed = observed.zip(self.accuracies.iter().copied());
        let points: Vec<(f64, f64)> = observed.chain(self.anchor.map(|c| (0.0, c))).collect();
        let count = points.len() as f64;
        let u_mean = points.iter().map(|(u, _)| u).sum::<f64>() / count;
        let y_mean = points.iter().map(|(_, y)| y).sum::<f64>() / count;
        let (mut uu, mut uy) = (0.0, 0.0);
        for (u, y) in &points {
            uu += (u - u_mean).powi(2);
            uy += (u - u_mean) * (y - y_mean);
        }
        let slope = (-uy / uu).max(0.0);
        let asymptote = y_mean + slope * u_mean;
        let residual = |(u, y): &(f64, f64)| (asymptote - slope * u - y).powi(2);
        let error = points.iter().map(residual).sum();
        Line {
            slope,
            asymptote,
            error,
        }
    }
}

impl CostFunction for Points<'_> {
    type Param = f64;
    type Output = f64;

    fn cost(&self, log_exponent: &f64) -> std::result::Result<f64, ArgminError> {
        Ok(self.best(*log_exponent).error)
    }
}
