//! The curve of an item.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check};

/// Which parameters an item has.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum IrtModel {
    /// Its difficulty: the Rasch model.
    #[default]
    OnePl,
    /// And how sharply it tells subjects apart.
    TwoPl,
    /// And the chance of a right guess.
    ThreePl,
    /// And the chance that the most able are right.
    FourPl,
}

impl IrtModel {
    /// Parameters of an item, 1 to 4.
    #[must_use]
    pub fn parameters(self) -> usize {
        match self {
            Self::OnePl => 1,
            Self::TwoPl => 2,
            Self::ThreePl => 3,
            Self::FourPl => 4,
        }
    }
}

/// The chance of a right answer by a subject of ability `theta`: `c + (d - c) / (1 + exp(-a (theta - b)))`.
///
/// ```
/// use regimen_curriculum::ability::irt::ItemParameters;
///
/// let item = ItemParameters::of_difficulty(-0.3);
/// assert!((item.probability(0.7) - 0.731_058_578_6).abs() < 1e-10);
/// assert!((item.ability_for(0.5) + 0.3).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ItemParameters {
    /// `b`: the ability at which the curve is in its middle.
    pub difficulty: f64,
    /// `a`: how steep it is there, above 0.
    pub discrimination: f64,
    /// `c`: the chance of the least able, 0 to below `upper`.
    pub guessing: f64,
    /// `d`: the chance of the most able, up to 1.
    pub upper: f64,
}

checked_serde!(ItemParameters);

impl Checked for ItemParameters {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let Self {
            difficulty,
            discrimination,
            guessing,
            upper,
        } = *self;
        let size = difficulty.abs() <= 1e6;
        check("difficulty", difficulty, size, "-1000000 to 1000000")?;
        let slope = discrimination > 0.0 && discrimination <= 1e6;
        check(
            "discrimination",
            discrimination,
            slope,
            "above 0, up to 1000000",
        )?;
        check(
            "upper",
            upper,
            upper > 0.0 && upper <= 1.0,
            "above 0, up to 1",
        )?;
        let chance = guessing >= 0.0 && guessing < upper;
        check("guessing", guessing, chance, "0 to below `upper`")
    }
}

impl ItemParameters {
    /// An item of the Rasch model.
    #[must_use]
    pub fn of_difficulty(difficulty: f64) -> Self {
        Self {
            difficulty,
            discrimination: 1.0,
            guessing: 0.0,
            upper: 1.0,
        }
    }

    /// The chance of a right answer.
    #[must_use]
    pub fn probability(&self, theta: f64) -> f64 {
        let share = logistic(self.discrimination * (theta - self.difficulty));
        self.guessing + (self.upper - self.guessing) * share
    }

    /// The ability at which a right answer has this chance; infinite where the curve does not reach it.
    #[must_use]
    pub fn ability_for(&self, probability: f64) -> f64 {
        let share = (probability - self.guessing) / (self.upper - self.guessing);
        if share <= 0.0 {
            return f64::NEG_INFINITY;
        }
        if share >= 1.0 {
            return f64::INFINITY;
        }
        self.difficulty + (share / (1.0 - share)).ln() / self.discrimination
    }
}

/// `1 / (1 + exp(-x))`.
pub(super) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + exp(x))`, also for large `x`.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
