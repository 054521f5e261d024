//! # Between
//!
//! A value that goes from one number to another between two steps: sparsities, drop rates, temperatures, weights.
//!
//! Source: cubic after Zhu and Gupta (arXiv 1710.01878), equation 1; cosine after Loshchilov and Hutter 2017.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::error::{Error, Result, check, check_finite};
use crate::schedule::Schedule;

/// `from` up to step `start`, then along a [`Curve`] to exactly `to` at step `end` and for ever.
///
/// ```
/// use regimen_schedules::{Between, Curve, Schedule};
///
/// let sparsity = Between::new(0.0, 0.9, 0, 10, Curve::CUBIC)?;
/// assert!((sparsity.at(5) - 0.7875).abs() < 1e-12);
/// assert_eq!([sparsity.at(0), sparsity.at(10), sparsity.at(99)], [0.0, 0.9, 0.9]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Between {
    from: f64,
    to: f64,
    start: usize,
    end: usize,
    curve: Curve,
}
checked_serde!(Between);

impl Checked for Between {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_finite("from", self.from)?;
        check_finite("to", self.to)?;
        let end = self.end >= self.start;
        check("end", self.end as f64, end, "`start` or later")?;
        self.curve.check()
    }
}

impl Between {
    /// From `from` at step `start` to `to` at step `end`, which may be the same step.
    ///
    /// # Errors
    /// If a value is not finite or `end` comes before `start`.
    pub fn new(from: f64, to: f64, start: usize, end: usize, curve: Curve) -> Result<Self> {
        Self {
            from,
            to,
            start,
            end,
            curve,
        }
        .checked()
    }

    /// The step from which the value is `to`.
    #[must_use]
    pub fn end(&self) -> usize {
        self.end
    }
}

impl Schedule for Between {
    fn at(&self, step: usize) -> f64 {
        if step >= self.end {
            return self.to;
        }
        let way = self.end.saturating_sub(self.start).max(1);
        let progress = step.saturating_sub(self.start) as f64 / way as f64;
        self.curve.between(self.from, self.to, progress)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn cubic_n10_from_0_and_from_half() {
        let dense = [
            0.0, 0.2439, 0.4392, 0.5913, 0.7056, 0.7875, 0.8424, 0.8757, 0.8928, 0.8991, 0.9,
        ];
        let half = [
            0.5, 0.6084, 0.6952, 0.7628, 0.8136, 0.85, 0.8744, 0.8892, 0.8968, 0.8996, 0.9,
        ];
        for (from, expected) in [(0.0, dense), (0.5, half)] {
            let sparsity = Between::new(from, 0.9, 0, 10 * 20, Curve::CUBIC).unwrap();
            for (event, value) in expected.into_iter().enumerate() {
                assert_abs_diff_eq!(sparsity.at(event * 20), value, epsilon = 1e-9);
            }
            assert_eq!(sparsity.at(10_000), 0.9);
        }
    }

    #[test]
    fn cosine_from_half_to_half_a_percent() {
        let rate = Between::new(0.5, 0.005, 0, 100, Curve::Cosine).unwrap();
        for (step, expected) in [(0, 0.5), (25, 0.427509), (50, 0.2525), (75, 0.077491)] {
            assert_abs_diff_eq!(rate.at(step), expected, epsilon = 1e-6);
        }
        assert_eq!((rate.at(100), rate.at(400)), (0.005, 0.005));
    }

    #[test]
    fn every_curve_starts_and_ends_where_it_says() {
        for curve in [Curve::Held, Curve::Linear, Curve::Cosine, Curve::CUBIC] {
            let value = Between::new(2.0, -1.0, 5, 9, curve).unwrap();
            assert_abs_diff_eq!(value.at(0), 2.0, epsilon = 1e-12);
            assert_abs_diff_eq!(value.at(5), 2.0, epsilon = 1e-12);
            assert_eq!(value.at(9), -1.0);
            let file = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Between>(&file).unwrap(), value);
        }
        let line = Between::new(0.0, 1.0, 10, 20, Curve::Linear).unwrap();
        assert_eq!(line.at(15), 0.5);
    }

    #[test]
    fn bad_parameters_are_named() {
        let message = |from, end| {
            Between::new(from, 1.0, 5, end, Curve::Linear)
                .unwrap_err()
                .to_string()
        };
        assert!(message(f64::NAN, 9).contains("`from` is NaN"));
        assert!(message(0.0, 4).contains("`end` is 4"));
    }
}
