//! When a metric has improved.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check_not_negative};

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
///
/// A fraction is one of the best's size, `|best|`, so that a metric below 0 (a log-likelihood, a negated reward) has to improve
/// too. torch and optax multiply the best itself by `1 - fraction`: the same above 0, while below it their bound is worse than
/// the best, and a constant metric counts as improving for ever.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Threshold {
    /// By a fraction of the best's size, 0 or more.
    Relative(f64),
    /// By an amount, 0 or more.
    Absolute(f64),
    /// By a fraction of the best and an amount on top: optax's `rtol` and `atol`.
    Both {
        /// The fraction, 0 or more.
        relative: f64,
        /// The amount, 0 or more.
        absolute: f64,
    },
}

checked_serde!(Threshold);

impl Checked for Threshold {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let (relative, absolute) = self.parts();
        check_not_negative("threshold", relative)?;
        check_not_negative("threshold", absolute)
    }
}

impl Threshold {
    fn parts(self) -> (f64, f64) {
        match self {
            Self::Relative(relative) => (relative, 0.0),
            Self::Absolute(absolute) => (0.0, absolute),
            Self::Both { relative, absolute } => (relative, absolute),
        }
    }

    /// Whether a metric improves on the best so far; where there is none, any finite one does.
    pub(super) fn improves(self, mode: Mode, metric: f64, best: Option<f64>) -> bool {
        if !metric.is_finite() {
            return false;
        }
        let Some(best) = best else {
            return true;
        };
        let (relative, absolute) = self.parts();
        // As torch and optax round it, for a best above 0.
        let share = relative * best.signum();
        match mode {
            Mode::Min => metric < best * (1.0 - share) - absolute,
            Mode::Max => metric > best * (1.0 + share) + absolute,
        }
    }
}
