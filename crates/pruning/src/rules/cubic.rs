//! # CubicSparsity
//!
//! Sparsity that rises fast at first and settles: the schedule of gradual pruning.
//!
//! Source: Zhu and Gupta, "To prune, or not to prune" (arXiv 1710.01878), equation 1.

use regimen_schedules::{Between, Curve, Schedule};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::fraction;
use crate::{PruningError, Result};

/// `s(t) = s_f + (s_i - s_f) * (1 - (t - start) / (end - start))^3` from `start` to `end`, `s_i` before and
/// exactly `s_f` from `end` on.
///
/// ```
/// use regimen_pruning::CubicSparsity;
/// use regimen_schedules::{Between, Curve, Schedule};
///
/// let s = CubicSparsity::new(0.0, 0.9, 0, 10)?;
/// assert!((s.at(5) - 0.7875).abs() < 1e-12);
/// assert_eq!(s.at(10), 0.9);
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct CubicSparsity(Between);

impl CubicSparsity {
    /// From `initial` at step `start` to `last` at step `end`; sparsities in [0, 1), `initial <= last`.
    ///
    /// # Errors
    /// If a sparsity is out of range or `end` comes before `start`.
    pub fn new(initial: f64, last: f64, start: usize, end: usize) -> Result<Self> {
        fraction("final_sparsity", last, false)?;
        fraction("initial_sparsity", initial, false)?;
        if initial > last {
            let allowed = format!("0 to final_sparsity, {last}");
            return Err(PruningError::range("initial_sparsity", initial, &allowed));
        }
        if end < start {
            return Err(PruningError::range(
                "prune_until",
                end,
                &format!("at least {start}"),
            ));
        }
        let rise = Between::new(initial, last, start, end, Curve::CUBIC)?;
        Ok(Self(rise))
    }
}

impl Checked for CubicSparsity {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        let (first, last) = (self.at(0), self.at(usize::MAX));
        fraction("final_sparsity", last, false)?;
        fraction("initial_sparsity", first, false)?;
        if first > last {
            let allowed = format!("0 to final_sparsity, {last}");
            return Err(PruningError::range("initial_sparsity", first, &allowed));
        }
        Ok(())
    }
}
checked_serde!(CubicSparsity);

impl Schedule for CubicSparsity {
    fn at(&self, step: usize) -> f64 {
        self.0.at(step)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn schedule_n10_sf09() {
        let dense = [
            0.0, 0.2439, 0.4392, 0.5913, 0.7056, 0.7875, 0.8424, 0.8757, 0.8928, 0.8991, 0.9,
        ];
        let half = [
            0.5, 0.6084, 0.6952, 0.7628, 0.8136, 0.85, 0.8744, 0.8892, 0.8968, 0.8996, 0.9,
        ];
        for (initial, expected) in [(0.0, dense), (0.5, half)] {
            let schedule = CubicSparsity::new(initial, 0.9, 0, 10 * 20).unwrap();
            for (event, value) in expected.into_iter().enumerate() {
                assert_abs_diff_eq!(schedule.at(event * 20), value, epsilon = 1e-9);
            }
            assert_eq!(schedule.at(10_000), 0.9);
        }
    }
}
