//! Importance weights that are kept as logarithms.

use crate::error::{Result, RlRewardsError, check};

/// Normalised weights of samples, from their logarithms.
///
/// The largest logarithm is taken off before any exponent: differences count, not sizes. Where every weight is 0 (minus infinity
/// throughout) they say nothing: all are equal, and [`is_uniform`](Self::is_uniform) tells.
///
/// ```
/// use regimen_rl_rewards::LogWeights;
///
/// let weights = LogWeights::new(&[-1000.0, -1001.0, f64::NEG_INFINITY])?;
/// assert!((weights.values()[0] - 0.73105858).abs() < 1e-8);
/// assert!((weights.effective() - 1.64805427).abs() < 1e-8);
/// assert_eq!(LogWeights::new(&[0.5_f64.ln(), f64::NEG_INFINITY])?.systematic(2, 0.0)?, [0, 0]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LogWeights {
    values: Vec<f64>,
    uniform: bool,
}

impl LogWeights {
    /// From logarithms: finite, or minus infinity for a weight of 0.
    ///
    /// # Errors
    /// If there is none, or one is NaN or plus infinity.
    pub fn new(logarithms: &[f64]) -> Result<Self> {
        let count = logarithms.len();
        check("log_weights", count as f64, count > 0, "one or more")?;
        if let Some(bad) = logarithms
            .iter()
            .find(|l| l.is_nan() || **l == f64::INFINITY)
        {
            return Err(RlRewardsError::OutOfRange {
                field: "log_weights",
                value: bad.to_string(),
                allowed: "finite, or minus infinity",
            });
        }
        let most = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let uniform = most == f64::NEG_INFINITY;
        let exponent = |l: &f64| if uniform { 1.0 } else { (l - most).exp() };
        let values: Vec<f64> = logarithms.iter().map(exponent).collect();
        let sum: f64 = values.iter().sum();
        let values = values.iter().map(|value| value / sum).collect();
        Ok(Self { values, uniform })
    }

    /// The weights, which sum to 1.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Whether every weight was 0, so that all are equal for want of better.
    #[must_use]
    pub fn is_uniform(&self) -> bool {
        self.uniform
    }

    /// The effective sample size `1 / sum w^2`, from 1 to the number of samples.
    #[must_use]
    pub fn effective(&self) -> f64 {
        1.0 / self.values.iter().map(|w| w * w).sum::<f64>()
    }

    /// Systematic resampling: the sample that each of `(offset + i) / count` falls on in the running sum of weights.
    ///
    /// `offset` is one uniform number, 0 to below 1. A sample of weight 0 is never drawn.
    ///
    /// # Errors
    /// If `offset` is out of its range, or `count` above 2^31.
    pub fn systematic(&self, count: usize, offset: f64) -> Result<Vec<usize>> {
        check(
            "offset",
            offset,
            (0.0..1.0).contains(&offset),
            "0 to below 1",
        )?;
        check("count", count as f64, count <= 1 << 31, "up to 2^31")?;
        // There is one: weights sum to 1. Rounding may leave the sum short of the last point, which is the last sample's then.
        let last = self.values.iter().rposition(|w| *w > 0.0).unwrap_or(0);
        let mut drawn = Vec::with_capacity(count);
        let (mut at, mut sum) = (0, self.values[0]);
        for i in 0..count {
            let point = (offset + i as f64) / count as f64;
            while at < last && (sum <= point || self.values[at] == 0.0) {
                at += 1;
                sum += self.values[at];
            }
            drawn.push(at);
        }
        Ok(drawn)
    }
}
