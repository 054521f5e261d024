//! The tests that ask for larger batches.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::statistics::GradientStatistics;
use crate::error::{CurriculumError, Result, check};

/// When a batch is too small, over the whole parameter vector.
///
/// `g` is the mean gradient of the batch, `Var` the unbiased variance over examples, `b` the batch size. Each test is met
/// when `b` is at least the size it asks for; a smaller constant asks for more, about `1 / eta^2`. The sizes do not change
/// when all gradients are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    remote = "Self",
    rename_all = "snake_case",
    tag = "test",
    deny_unknown_fields
)]
#[non_exhaustive]
pub enum BatchTest {
    /// `sum_j Var(g_j) / (eta^2 |g|^2)`.
    Norm {
        /// Above 0; 0.1 to 1 in use.
        eta: f64,
    },
    /// `Var(<g_i, g>) / (theta^2 |g|^4)`.
    InnerProduct {
        /// Above 0.
        theta: f64,
    },
    /// The larger of the inner-product test and the orthogonality test,
    /// `sum_j Var(o_j) / (nu^2 |g|^2)` with `o_i = g_i - <g_i, g> / |g|^2 g`.
    Augmented {
        /// Above 0.
        theta: f64,
        /// Above 0.
        nu: f64,
    },
    /// `max_j Var(g_j) / (eta^2 g_j^2)` over the coordinates with `g_j^2` other than 0; goes with AdaGrad.
    CoordinateWise {
        /// Above 0.
        eta: f64,
    },
}

checked_serde!(BatchTest);

impl Checked for BatchTest {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let constants = self.constants();
        let mut constants = constants.iter();
        constants.try_for_each(|(name, value)| check(name, *value, *value > 0.0, "above 0"))
    }
}

impl BatchTest {
    /// Whether it needs the variance of the inner products, [`GradientStatistics::inner_product_variance`].
    #[must_use]
    pub fn needs_inner_products(&self) -> bool {
        matches!(self, Self::InnerProduct { .. } | Self::Augmented { .. })
    }

    /// The batch size that the test asks for, before rounding up; infinite if the mean gradient is 0.
    ///
    /// ```
    /// use regimen_curriculum::{BatchTest, GradientStatistics};
    ///
    /// let gradients = [[1.0, 0.0], [3.0, 2.0], [2.0, -1.0], [2.0, 3.0]];
    /// let statistics = GradientStatistics::of(&gradients)?;
    /// assert_eq!(BatchTest::Norm { eta: 0.25 }.wanted(&statistics)?, 12.8);
    /// # Ok::<(), regimen_curriculum::CurriculumError>(())
    /// ```
    ///
    /// # Errors
    /// If a constant is not above 0, or the statistics are not finite or lack the inner products that the test needs.
    pub fn wanted(&self, statistics: &GradientStatistics) -> Result<f64> {
        self.check()?;
        statistics.check()?;
        let g2 = statistics.squared_norm;
        if g2 == 0.0 {
            return Ok(f64::INFINITY);
        }
        Ok(match *self {
            Self::Norm { eta } => relative(statistics.variance, eta, g2),
            Self::InnerProduct { theta } => inner(statistics, theta)?,
            Self::Augmented { theta, nu } => {
                let along = inner(statistics, theta)?;
                along.max(relative(statistics.orthogonal_variance()?, nu, g2))
            }
            Self::CoordinateWise { eta } => relative(statistics.largest_ratio, eta, 1.0),
        })
    }

    pub(super) fn constants(&self) -> [(&'static str, f64); 2] {
        match *self {
            Self::Norm { eta } | Self::CoordinateWise { eta } => [("eta", eta); 2],
            Self::InnerProduct { theta } => [("theta", theta); 2],
            Self::Augmented { theta, nu } => [("theta", theta), ("nu", nu)],
        }
    }
}

/// The size that the inner-product test asks for; the squared norm is above 0.
fn inner(statistics: &GradientStatistics, theta: f64) -> Result<f64> {
    let g2 = statistics.squared_norm;
    let along = statistics.inner_products()? / g2;
    if along.is_infinite() {
        // Beyond the largest number, whatever the constant.
        return Ok(f64::INFINITY);
    }
    Ok(relative(along, theta, g2))
}

/// `variance / (constant^2 square)`, all of them 0 or more and `square` above 0. Where the divisor leaves the range of numbers, factor by
/// factor: never NaN.
fn relative(variance: f64, constant: f64, square: f64) -> f64 {
    let divisor = constant * constant * square;
    if divisor.is_normal() {
        variance / divisor
    } else {
        variance / square / constant / constant
    }
}
