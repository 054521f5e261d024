//! When a metric has improved.

use serde::{Deserialize, Serialize};

use crate::error::{Result, check_not_negative};

/// Which direction of a metric is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Lower, as of a loss.
    #[default]
    Min,
    /// Higher, as of an accuracy.
    Max,
}

/// By how much a metric must be better than the best so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// By a fraction of the best, 0 or more: for a metric that is positive.
    Relative(f64),
    /// By an amount, 0 or more.
    Absolute(f64),
}

impl Threshold {
    pub(super) fn check(self) -> Result<()> {
        let (Self::Relative(by) | Self::Absolute(by)) = self;
        check_not_negative("threshold", by)
    }

    /// Whether a metric improves on the best so far; any finite one improves on none.
    pub(super) fn improves(self, mode: Mode, metric: f64, best: Option<f64>) -> bool {
        if !metric.is_finite() {
            return false;
        }
        let Some(best) = best else {
            return true;
        };
        match (mode, self) {
            (Mode::Min, Self::Relative(by)) => metric < best * (1.0 - by),
            (Mode::Min, Self::Absolute(by)) => metric < best - by,
            (Mode::Max, Self::Relative(by)) => metric > best * (1.0 + by),
            (Mode::Max, Self::Absolute(by)) => metric > best + by,
        }
    }
}
