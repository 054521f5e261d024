//! What every rate that follows a metric has: how it reacts, and what it remembers.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::metric::{Mode, Threshold};
use crate::error::{Error, Result, check, check_finite, check_not_negative};

/// How a rate reacts to a metric: the part that all such rates share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Reaction {
    /// Which direction of the metric is better.
    pub mode: Mode,
    /// A cut multiplies the rate by this, between 0 and 1.
    pub factor: f64,
    /// Values in a row that are let pass.
    pub patience: usize,
    /// What counts as an improvement.
    pub threshold: Threshold,
    /// Values after a cut that change nothing.
    pub cooldown: usize,
    /// The least rate, 0 or more.
    pub least: f64,
    /// A change must be larger than this, 0 or more.
    pub smallest_change: f64,
}

checked_serde!(Reaction, Followed);

impl Checked for Reaction {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let factor = self.factor;
        check(
            "factor",
            factor,
            factor > 0.0 && factor < 1.0,
            "between 0 and 1",
        )?;
        self.threshold.check()?;
        check_not_negative("least", self.least)?;
        check_not_negative("smallest_change", self.smallest_change)
    }
}

/// Setters of the fields of a config's `reaction`.
macro_rules! reaction_setters {
    ($config:ident) => {
        impl $config {
            /// Which direction is better.
            #[must_use]
            pub fn with_mode(mut self, mode: Mode) -> Self {
                self.reaction.mode = mode;
                self
            }

            /// The factor of a cut.
            #[must_use]
            pub fn with_factor(mut self, factor: f64) -> Self {
                self.reaction.factor = factor;
                self
            }

            /// How many values in a row are let pass.
            #[must_use]
            pub fn with_patience(mut self, patience: usize) -> Self {
                self.reaction.patience = patience;
                self
            }

            /// What counts as an improvement.
            #[must_use]
            pub fn with_threshold(mut self, threshold: Threshold) -> Self {
                self.reaction.threshold = threshold;
                self
            }
        }
    };
}
pub(super) use reaction_setters;

/// What every rate that follows a metric remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Followed {
    /// The rate now.
    pub rate: f64,
    /// The best value so far.
    pub best: Option<f64>,
    /// Values without improvement in a row.
    pub bad: usize,
    /// Values that are left of the pause after a cut.
    pub cooldown: usize,
}

impl Followed {
    pub(super) fn new(rate: f64) -> Self {
        Self {
            rate,
            ..Self::default()
        }
    }

    /// Takes a value in: whether it improves on the best, which it then is.
    pub(super) fn improves(&mut self, reaction: &Reaction, metric: f64) -> bool {
        let improved = reaction
            .threshold
            .improves(reaction.mode, metric, self.best);
        if improved {
            self.best = Some(metric);
        }
        self.bad = if improved {
            0
        } else {
            self.bad.saturating_add(1)
        };
        improved
    }

    /// Cuts the rate and starts the pause.
    pub(super) fn cut(&mut self, reaction: &Reaction) {
        let rate = (self.rate * reaction.factor).max(reaction.least);
        if self.rate - rate > reaction.smallest_change {
            self.rate = rate;
        }
        (self.bad, self.cooldown) = (0, reaction.cooldown);
    }

    pub(super) fn to_scalars(self) -> Vec<(String, f64)> {
        let mut scalars = named([
            ("rate", self.rate),
            ("bad", self.bad as f64),
            ("cooldown", self.cooldown as f64),
        ]);
        scalars.extend(self.best.map(|best| ("best".to_owned(), best)));
        scalars
    }

    /// What [`to_scalars`](Self::to_scalars) gave.
    pub(super) fn from_scalars(scalar: &dyn Fn(&str) -> Option<f64>) -> Result<Self> {
        Self {
            rate: required(scalar, "rate")?,
            best: scalar("best"),
            bad: count(scalar, "bad")?,
            cooldown: count(scalar, "cooldown")?,
        }
        .checked()
    }
}

impl Checked for Followed {
    type Error = Error;

    /// Refuses a state that no run can have.
    fn check(&self) -> Result<()> {
        check_not_negative("rate", self.rate)?;
        check_finite("best", self.best.unwrap_or(0.0))
    }
}

/// Numbers with their names.
pub(super) fn named<const N: usize>(scalars: [(&str, f64); N]) -> Vec<(String, f64)> {
    let owned = scalars
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    owned.collect()
}

/// A number without which a state is none.
pub(super) fn required(scalar: &dyn Fn(&str) -> Option<f64>, name: &'static str) -> Result<f64> {
    scalar(name).ok_or_else(|| Error::OutOfRange {
        field: name,
        value: "missing in the record".into(),
        allowed: "the record of a rate of this kind",
    })
}

/// A count that was saved; 0 if it was not.
pub(super) fn count(scalar: &dyn Fn(&str) -> Option<f64>, name: &'static str) -> Result<usize> {
    let value = scalar(name).unwrap_or(0.0);
    let whole = value >= 0.0 && value.fract() == 0.0;
    check(name, value, whole, "a whole number, 0 or more")?;
    Ok(value as usize)
}
