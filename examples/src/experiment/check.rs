//! One condition of a rule: a quantity, its unit, a direction and a bound, and what follows from the seeds.

use regimen_tensor::stats::{mean, standard_error};
use serde::{Deserialize, Serialize};

use super::number;

/// How many standard errors a mean must lie on the right side of its bound.
pub const MARGIN: f64 = 2.0;

/// The fewest seeds that decide anything.
pub const SEEDS: usize = 3;

/// What a check, or all checks of an experiment together, came to; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// A seed ended in an error, or a value is missing or not finite.
    #[serde(rename = "failed")]
    Failed,
    /// On the wrong side of the bound by two standard errors or more.
    #[serde(rename = "does not hold")]
    DoesNotHold,
    /// On the wrong side by less, or fewer than three seeds.
    #[serde(rename = "inconclusive")]
    Inconclusive,
    /// On the right side by less than two standard errors.
    #[serde(rename = "within noise")]
    WithinNoise,
    /// On the right side by two standard errors or more, or exactly as demanded.
    #[serde(rename = "holds")]
    Holds,
}

impl Outcome {
    /// Every outcome, the best first.
    pub const ALL: [Self; 5] = [
        Self::Holds,
        Self::WithinNoise,
        Self::Inconclusive,
        Self::DoesNotHold,
        Self::Failed,
    ];

    /// The name in the record and in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::DoesNotHold => "does not hold",
            Self::Inconclusive => "inconclusive",
            Self::WithinNoise => "within noise",
            Self::Holds => "holds",
        }
    }
}

/// On which side of its bound a quantity has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// The mean over the seeds is at least the bound.
    #[serde(rename = "at least")]
    AtLeast,
    /// The mean over the seeds is at most the bound.
    #[serde(rename = "at most")]
    AtMost,
    /// Every seed has the bound itself.
    #[serde(rename = "exactly")]
    Exactly,
    /// No seed is above the bound, whatever the mean.
    #[serde(rename = "in every seed at most")]
    EachAtMost,
}

impl Direction {
    fn words(self) -> &'static str {
        match self {
            Self::AtLeast => "at least",
            Self::AtMost => "at most",
            Self::Exactly => "exactly",
            Self::EachAtMost => "in every seed at most",
        }
    }
}

/// What is measured for a check: a name, a unit and one value a seed. The bound makes a [`Check`] of it.
///
/// ```
/// use regimen_examples::{Outcome, Quantity};
///
/// let gain = Quantity::new("granet minus rigl", "points", vec![2.0, 2.2, 1.8]);
/// let check = gain.at_least(0.5).headline();
/// assert_eq!(check.statement, "granet minus rigl: at least 0.5 points");
/// assert_eq!(check.outcome, Outcome::Holds);
/// ```
#[derive(Clone, Debug)]
pub struct Quantity {
    name: String,
    unit: String,
    values: Vec<f64>,
}

impl Quantity {
    /// A quantity with one value a seed; the unit is empty for a ratio or a count.
    #[must_use]
    pub fn new(name: impl Into<String>, unit: &str, values: Vec<f64>) -> Self {
        Self {
            name: name.into(),
            unit: unit.to_owned(),
            values,
        }
    }

    /// The mean is at least `bound`.
    #[must_use]
    pub fn at_least(self, bound: f64) -> Check {
        Check::new(self, Direction::AtLeast, bound)
    }

    /// The mean is at most `bound`.
    #[must_use]
    pub fn at_most(self, bound: f64) -> Check {
        Check::new(self, Direction::AtMost, bound)
    }

    /// Every seed has exactly `bound`.
    #[must_use]
    pub fn exactly(self, bound: f64) -> Check {
        Check::new(self, Direction::Exactly, bound)
    }

    /// No seed is above `bound`: one is enough to fail, whatever the mean.
    #[must_use]
    pub fn each_at_most(self, bound: f64) -> Check {
        Check::new(self, Direction::EachAtMost, bound)
    }
}

/// One condition of the rule, with the figures that decide it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// What is measured.
    pub quantity: String,
    /// Its unit; empty for ratios and counts.
    pub unit: String,
    /// Which side of the bound is right.
    pub direction: Direction,
    /// What the quantity is compared with.
    pub bound: f64,
    /// The condition in words, made from the fields above.
    pub statement: String,
    /// Whether it is the paper's own headline.
    pub headline: bool,
    /// The mean over seeds.
    #[serde(with = "number::nan_as_null")]
    pub mean: f64,
    /// Its standard error.
    #[serde(with = "number::nan_as_null")]
    pub se: f64,
    /// How far the mean is on the right side of the bound, in standard errors; negative on the wrong side. `None` where
    /// the condition is exact or all seeds agree.
    pub margin: Option<f64>,
    /// One value a seed.
    #[serde(with = "number::nans_as_nulls")]
    pub values: Vec<f64>,
    /// What follows. The record calls it a verdict.
    #[serde(rename = "verdict")]
    pub outcome: Outcome,
}

impl Check {
    fn new(quantity: Quantity, direction: Direction, bound: f64) -> Self {
        let Quantity { name, unit, values } = quantity;
        let (mean, se) = (mean(&values), standard_error(&values));
        let distance = match direction {
            Direction::AtLeast => mean - bound,
            _ => bound - mean,
        };
        let is_mean = matches!(direction, Direction::AtLeast | Direction::AtMost);
        let margin = (is_mean && se > 0.0 && distance.is_finite()).then(|| distance / se);
        let outcome = if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            Outcome::Failed
        } else if values.len() < SEEDS {
            Outcome::Inconclusive
        } else {
            match direction {
                Direction::Exactly => exact(values.iter().all(|value| *value == bound)),
                Direction::EachAtMost => exact(values.iter().all(|value| *value <= bound)),
                Direction::AtLeast | Direction::AtMost => noisy(distance, se),
            }
        };
        let end = if unit.is_empty() {
            String::new()
        } else {
            format!(" {unit}")
        };
        let statement = format!(
            "{name}: {} {}{end}",
            direction.words(),
            number::short(bound)
        );
        Self {
            quantity: name,
            unit,
            direction,
            bound,
            statement,
            headline: false,
            mean,
            se,
            margin,
            values,
            outcome,
        }
    }

    /// Marks the check as the paper's own headline: [`super::PaperEffect`] follows from these.
    #[must_use]
    pub fn headline(self) -> Self {
        Self {
            headline: true,
            ..self
        }
    }

    /// Whether the figures are on the right side of the bound, by whatever margin.
    #[must_use]
    pub fn is_on_the_right_side(&self) -> bool {
        match self.direction {
            Direction::AtLeast => self.mean >= self.bound,
            Direction::AtMost => self.mean <= self.bound,
            Direction::Exactly => self.all(|value| value == self.bound),
            Direction::EachAtMost => self.all(|value| value <= self.bound),
        }
    }

    fn all(&self, is_right: impl Fn(f64) -> bool) -> bool {
        !self.values.is_empty() && self.values.iter().all(|value| is_right(*value))
    }
}

/// The worst of the checks' outcomes.
#[must_use]
pub fn worst(checks: &[Check]) -> Outcome {
    let outcomes = checks.iter().map(|check| check.outcome);
    outcomes.min().unwrap_or(Outcome::Failed)
}

fn exact(is_met: bool) -> Outcome {
    if is_met {
        Outcome::Holds
    } else {
        Outcome::DoesNotHold
    }
}

/// By how far the mean is on the right side, against two standard errors.
fn noisy(distance: f64, se: f64) -> Outcome {
    let noise = MARGIN * se;
    match (distance >= 0.0, distance.abs() >= noise) {
        (true, true) => Outcome::Holds,
        (true, false) => Outcome::WithinNoise,
        (false, true) => Outcome::DoesNotHold,
        (false, false) => Outcome::Inconclusive,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn quantity(values: &[f64]) -> Quantity {
        Quantity::new("x", "points", values.to_vec())
    }

    /// Mean 2, standard error 1 / sqrt(3) = .577: two of them are 1.155.
    #[test]
    fn two_standard_errors_decide() {
        let at_least = |bound| quantity(&[1.0, 2.0, 3.0]).at_least(bound).outcome;
        assert_eq!(at_least(0.84), Outcome::Holds);
        assert_eq!(at_least(0.85), Outcome::WithinNoise);
        assert_eq!(at_least(2.0), Outcome::WithinNoise);
        assert_eq!(at_least(2.1), Outcome::Inconclusive);
        assert_eq!(at_least(3.15), Outcome::Inconclusive);
        assert_eq!(at_least(3.16), Outcome::DoesNotHold);
        let at_most = |bound| quantity(&[1.0, 2.0, 3.0]).at_most(bound).outcome;
        assert_eq!(at_most(3.16), Outcome::Holds);
        assert_eq!(at_most(3.15), Outcome::WithinNoise);
        assert_eq!(at_most(1.9), Outcome::Inconclusive);
        assert_eq!(at_most(0.84), Outcome::DoesNotHold);
    }

    #[test]
    fn margin_is_in_standard_errors_and_signed() {
        let margin = |check: Check| check.margin.unwrap();
        let right = margin(quantity(&[1.0, 2.0, 3.0]).at_least(1.0));
        assert!((right - 3.0_f64.sqrt()).abs() < 1e-12);
        let wrong = margin(quantity(&[1.0, 2.0, 3.0]).at_most(1.0));
        assert!((wrong + 3.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(quantity(&[1.0; 3]).at_least(0.0).margin, None);
        assert_eq!(quantity(&[1.0, 2.0, 1.0]).exactly(1.0).margin, None);
    }

    #[test]
    fn seeds_that_agree_hold_or_do_not() {
        assert_eq!(quantity(&[1.0; 3]).at_least(1.0).outcome, Outcome::Holds);
        assert_eq!(
            quantity(&[1.0; 3]).at_least(1.1).outcome,
            Outcome::DoesNotHold
        );
        assert_eq!(quantity(&[0.0; 3]).exactly(0.0).outcome, Outcome::Holds);
        assert_eq!(
            quantity(&[0.0, 0.0, 1e-9]).exactly(0.0).outcome,
            Outcome::DoesNotHold
        );
    }

    #[test]
    fn one_seed_above_is_enough_where_every_seed_counts() {
        let each = |values: &[f64]| quantity(values).each_at_most(1.0).outcome;
        assert_eq!(each(&[0.9, 1.0, 0.7]), Outcome::Holds);
        assert_eq!(each(&[0.1, 1.1, 0.1]), Outcome::DoesNotHold);
    }

    #[test]
    fn two_seeds_decide_nothing() {
        assert_eq!(
            quantity(&[9.0, 9.1]).at_least(1.0).outcome,
            Outcome::Inconclusive
        );
        assert_eq!(quantity(&[0.0]).exactly(1.0).outcome, Outcome::Inconclusive);
    }

    #[test]
    fn no_value_and_no_number_fail() {
        assert_eq!(quantity(&[]).at_least(1.0).outcome, Outcome::Failed);
        let nan = quantity(&[f64::NAN, 2.0, 2.0]);
        assert_eq!(nan.clone().at_least(1.0).outcome, Outcome::Failed);
        assert_eq!(nan.each_at_most(9.0).outcome, Outcome::Failed);
        assert_eq!(worst(&[]), Outcome::Failed);
    }

    #[test]
    fn a_check_without_numbers_can_be_written_and_read() {
        let check = quantity(&[f64::NAN, 2.0, 2.0]).at_least(1.0);
        let text = serde_json::to_string(&check).unwrap();
        let back: Check = serde_json::from_str(&text).unwrap();
        assert!(back.mean.is_nan() && back.values[0].is_nan() && back.values[1] == 2.0);
        assert_eq!(back.outcome, Outcome::Failed);
    }

    #[test]
    fn the_worst_outcome_counts() {
        let checks = [
            quantity(&[1.0; 3]).at_least(0.0),
            quantity(&[1.0, 2.0, 3.0]).at_least(1.0),
        ];
        assert_eq!(worst(&checks), Outcome::WithinNoise);
    }

    #[test]
    fn statements_come_from_the_fields() {
        let statement = |check: Check| check.statement;
        assert_eq!(
            statement(quantity(&[]).at_most(0.5)),
            "x: at most 0.5 points"
        );
        let ratio = Quantity::new("share", "", Vec::new());
        assert_eq!(statement(ratio.clone().exactly(0.0)), "share: exactly 0");
        assert_eq!(
            statement(ratio.each_at_most(1e-6)),
            "share: in every seed at most 1e-6"
        );
    }
}
