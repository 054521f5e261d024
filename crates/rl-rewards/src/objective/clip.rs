//! The range that a ratio is kept in.

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check};

/// `1 - low` to `1 + high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Clip {
    low: f64,
    high: f64,
}
checked_serde!(Clip);

impl Clip {
    /// PPO's: 0.2 both ways.
    pub const PPO: Self = Self {
        low: 0.2,
        high: 0.2,
    };
    /// DAPO's "clip-higher": 0.2 and 0.28.
    pub const HIGHER: Self = Self {
        low: 0.2,
        high: 0.28,
    };
    /// GSPO's, for ratios of whole sequences: 3e-4 and 4e-4.
    pub const GSPO: Self = Self {
        low: 3e-4,
        high: 4e-4,
    };

    /// `low` from 0 to 1, `high` 0 or more.
    ///
    /// # Errors
    /// If one is out of its range.
    pub fn new(low: f64, high: f64) -> Result<Self> {
        Self { low, high }.checked()
    }

    /// How far below 1.
    #[must_use]
    pub fn low(&self) -> f64 {
        self.low
    }

    /// How far above 1.
    #[must_use]
    pub fn high(&self) -> f64 {
        self.high
    }

    /// The ratio kept in the range. No gradient outside.
    pub(super) fn of(self, ratio: Tensor<2>) -> Tensor<2> {
        ratio.clamp(1.0 - self.low, 1.0 + self.high)
    }
}

impl Checked for Clip {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("low", self.low, (0.0..=1.0).contains(&self.low), "0 to 1")?;
        check("high", self.high, self.high >= 0.0, "0 or more")
    }
}
