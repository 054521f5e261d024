//! # LoadStatistics
//!
//! How even a load is: violation, share of the largest, entropy, coefficient of variation.
//!
//! Source: Wang et al. (arXiv 2408.15664), equation 4, for the violation.

use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::error::MoeError;

/// Figures of a load. Those that are read are checked to lie within their ranges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct LoadStatistics {
    /// `max n / mean n - 1`: 0 at balance, `experts - 1` if one expert has all.
    pub violation: f64,
    /// Share of the busiest expert, from `1 / experts` to 1.
    pub largest_share: f64,
    /// Share of the experts that got nothing.
    pub idle: f64,
    /// Entropy of the shares over its largest value, from 0 (one expert has all) to 1 (balance).
    pub entropy: f64,
    /// Squared coefficient of variation with the population's variance, from 0 to `experts - 1`.
    pub squared_variation: f64,
}

impl Checked for LoadStatistics {
    type Error = MoeError;

    fn check(&self) -> Result<()> {
        // Rounding may leave a figure a little outside.
        let [low, one] = [-1e-9, 1.0 + 1e-9];
        for (field, value, most, allowed) in [
            (
                "violation",
                self.violation,
                f64::MAX,
                "a finite number from 0",
            ),
            ("largest_share", self.largest_share, one, "0 to 1"),
            ("idle", self.idle, one, "0 to 1"),
            ("entropy", self.entropy, one, "0 to 1"),
            (
                "squared_variation",
                self.squared_variation,
                f64::MAX,
                "a finite number from 0",
            ),
        ] {
            if !(low..=most).contains(&value) {
                return Err(MoeError::range(field, value, allowed));
            }
        }
        Ok(())
    }
}

regimen_tensor::checked_serde!(LoadStatistics);

impl LoadStatistics {
    /// Of the numbers of tokens of each expert.
    ///
    /// # Errors
    /// If there is no expert, a number is negative or not finite, or all are zero.
    ///
    /// ```
    /// let load = regimen_moe::balance::LoadStatistics::of(&[10.0, 2.0, 4.0, 4.0, 6.0, 1.0, 3.0, 2.0])?;
    /// assert_eq!(load.violation, 1.5);
    /// # Ok::<(), regimen_moe::MoeError>(())
    /// ```
    pub fn of(loads: &[f64]) -> Result<Self> {
        let total: f64 = loads.iter().sum();
        let bad = loads.iter().find(|load| !load.is_finite() || **load < 0.0);
        if let Some(bad) = bad {
            return Err(MoeError::range("loads", bad, "finite numbers from 0"));
        }
        if !total.is_finite() || total <= 0.0 {
            return Err(MoeError::range("loads", total, "a positive sum"));
        }
        let count = loads.len() as f64;
        let mean = total / count;
        let largest = loads.iter().fold(0.0, |a: f64, b| a.max(*b));
        let shares = loads.iter().map(|load| load / total);
        let terms = shares
            .filter(|share| *share > 0.0)
            .map(|share| -share * share.ln());
        let entropy = if loads.len() > 1 {
            terms.sum::<f64>() / count.ln()
        } else {
            1.0
        };
        let squared_variation = if (1e-100..1e100).contains(&mean) {
            let variance = loads.iter().map(|load| (load - mean).powi(2)).sum::<f64>() / count;
            variance / mean.powi(2)
        } else {
            // The squares have no place in float64.
            let relative = loads.iter().map(|load| (load / mean - 1.0).powi(2));
            relative.sum::<f64>() / count
        };
        Ok(Self {
            violation: largest / mean - 1.0,
            largest_share: largest / total,
            idle: loads.iter().filter(|load| **load == 0.0).count() as f64 / count,
            entropy,
            squared_variation,
        })
    }
}
