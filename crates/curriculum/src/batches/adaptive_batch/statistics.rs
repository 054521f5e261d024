//! What the tests need to know of a batch's gradients.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check, finite};

/// Mean and variance of the gradients of single examples, summed up over the whole parameter vector.
///
/// All variances are over examples and unbiased; they are not divided by the batch size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct GradientStatistics {
    /// `|g|^2` of the mean gradient `g`.
    pub squared_norm: f64,
    /// `sum_j Var(g_j)`.
    pub variance: f64,
    /// `Var(<g_i, g>)`, if it was asked for.
    pub inner_product_variance: Option<f64>,
    /// `max_j Var(g_j) / g_j^2` over the coordinates with `g_j^2` other than 0; 0 if there is none. Never infinite: a
    /// ratio beyond the largest number is the largest number.
    pub largest_ratio: f64,
}
checked_serde!(GradientStatistics);

impl Checked for GradientStatistics {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let good = |name, value: f64| check(name, value, value >= 0.0, "0 or more");
        good("squared_norm", self.squared_norm)?;
        good("variance", self.variance)?;
        good(
            "inner_product_variance",
            self.inner_product_variance.unwrap_or(0.0),
        )?;
        good("largest_ratio", self.largest_ratio)
    }
}

impl GradientStatistics {
    /// From the gradients of single examples on the host, `[examples][parameters]`.
    ///
    /// # Errors
    /// If there are fewer than two, their lengths differ, or a value or a sum of squares is not finite.
    pub fn of<G: AsRef<[f64]>>(gradients: &[G]) -> Result<Self> {
        if gradients.len() < 2 {
            return Err(CurriculumError::TooFew {
                field: "gradients",
                found: gradients.len(),
                needed: 2,
            });
        }
        let width = gradients[0].as_ref().len();
        for gradient in gradients {
            finite("gradients", gradient.as_ref())?;
            let length = gradient.as_ref().len();
            check("gradients", length as f64, length == width, "of one length")?;
        }
        let column = |j: usize| gradients.iter().map(move |gradient| gradient.as_ref()[j]);
        let moments: Vec<(f64, f64)> = (0..width).map(|j| mean_and_variance(column(j))).collect();
        let dot = |gradient: &G| -> f64 {
            let pairs = gradient.as_ref().iter().zip(&moments);
            pairs.map(|(x, (mean, _))| x * mean).sum()
        };
        let ratios = moments
            .iter()
            .map(|(mean, variance)| (mean * mean, variance));
        let ratios = ratios.filter(|(square, _)| *square != 0.0);
        let statistics = Self {
            squared_norm: moments.iter().map(|(mean, _)| mean * mean).sum(),
            variance: moments.iter().map(|(_, variance)| variance).sum(),
            inner_product_variance: Some(mean_and_variance(gradients.iter().map(dot)).1),
            largest_ratio: ratios
                .map(|(m2, v)| (v / m2).min(f64::MAX))
                .fold(0.0, f64::max),
        };
        statistics.checked()
    }

    /// `sum_j Var(o_j)` of the gradients' parts orthogonal to the mean, over the whole parameter vector:
    /// `sum_j Var(g_j) - Var(<g_i, g>) / |g|^2`.
    ///
    /// # Errors
    /// If the inner products are missing.
    pub fn orthogonal_variance(&self) -> Result<f64> {
        if self.squared_norm == 0.0 {
            return Ok(self.variance);
        }
        // The difference of two equal sums may round below 0.
        let along = self.inner_products()? / self.squared_norm;
        Ok((self.variance - along).max(0.0))
    }

    pub(super) fn inner_products(&self) -> Result<f64> {
        self.inner_product_variance.ok_or(CurriculumError::TooFew {
            field: "inner_product_variance",
            found: 0,
            needed: 1,
        })
    }
}

fn mean_and_variance(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|x| (x - mean).powi(2)).sum();
    (mean, squares / (count - 1.0))
}

/// The variance of each coordinate over several devices or chunks of one size, from what each of them knows.
///
/// The mean of the variances within, plus the variance of the means: `[chunks][coordinates]` to `[coordinates]`. For small
/// chunks it is not the variance of the whole batch: the means' spread is divided by the number of chunks, not by one less. `GradientMoments::merge` has
/// no such bias.
///
/// ```
/// use regimen_curriculum::combined_variance;
///
/// let total = combined_variance(&[[2.0, 2.0], [0.0, 8.0]], &[[2.0, 1.0], [2.0, 1.0]])?;
/// assert_eq!(total, [1.0, 5.0]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If there is no chunk, the lengths differ, or a value or a variance over all chunks is not finite.
pub fn combined_variance<G: AsRef<[f64]>>(within: &[G], means: &[G]) -> Result<Vec<f64>> {
    let chunks = within.len();
    check("within", chunks as f64, chunks > 0, "one or more chunks")?;
    check(
        "means",
        means.len() as f64,
        means.len() == chunks,
        "as many as `within`",
    )?;
    let width = within[0].as_ref().len();
    for chunk in within.iter().chain(means) {
        finite("chunks", chunk.as_ref())?;
        let length = chunk.as_ref().len();
        check("chunks", length as f64, length == width, "of one length")?;
    }
    let average = |of: &dyn Fn(usize) -> f64| (0..chunks).map(of).sum::<f64>() / chunks as f64;
    let total = |j: usize| {
        let mean = average(&|c| means[c].as_ref()[j]);
        let between = average(&|c| (means[c].as_ref()[j] - mean).powi(2));
        average(&|c| within[c].as_ref()[j]) + between
    };
    let total: Vec<f64> = (0..width).map(total).collect();
    finite("combined variance", &total)?;
    Ok(total)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn check_values() {
        let g = [[1.0, 0.0], [3.0, 2.0], [2.0, -1.0], [2.0, 3.0]];
        let s = GradientStatistics::of(&g).unwrap();
        assert_relative_eq!(s.squared_norm, 5.0);
        assert_relative_eq!(s.variance, 4.0);
        assert_relative_eq!(s.inner_product_variance.unwrap(), 26.0 / 3.0);
        assert_relative_eq!(s.orthogonal_variance().unwrap(), 34.0 / 15.0);
        assert_relative_eq!(s.largest_ratio, 10.0 / 3.0);
    }

    #[test]
    fn a_coordinate_without_a_mean_is_skipped() {
        for dead in [0.0, 1e-200] {
            let s = GradientStatistics::of(&[[1.0, dead], [3.0, dead]]).unwrap();
            assert_relative_eq!(s.largest_ratio, 0.5);
        }
        let s = GradientStatistics::of(&[[1.0, 1.0], [3.0, -1.0 + 1e-15]]).unwrap();
        assert!(s.largest_ratio.is_finite() && s.largest_ratio > 1e28);
    }

    #[test]
    fn bad_gradients_are_refused() {
        assert!(GradientStatistics::of(&[[1.0]]).is_err());
        assert!(GradientStatistics::of(&[vec![1.0], vec![1.0, 2.0]]).is_err());
        assert!(GradientStatistics::of(&[[1.0], [f64::NAN]]).is_err());
        assert!(combined_variance::<[f64; 1]>(&[], &[]).is_err());
        assert!(combined_variance(&[[1.0]], &[[1.0], [2.0]]).is_err());
        assert!(combined_variance(&[[1.0]], &[[f64::INFINITY]]).is_err());
    }
}
