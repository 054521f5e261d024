//! # Step, MultiStep, PiecewiseConstant, PiecewiseInterpolate
//!
//! Levels, and lines or half cosines between levels.
//!
//! Source: torch's `StepLR` and `MultiStepLR`, Keras' `PiecewiseConstantDecay`, optax's
//! `piecewise_constant_schedule` and `piecewise_interpolate_schedule`.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::error::{
    Error, Result, check, check_count, check_not_negative, check_order, check_steps, check_values,
};
use crate::maths::{scaled, whole_power};
use crate::schedule::Schedule;

/// `peak gamma^floor(t / every)`: never ends.
#[doc(alias = "StepLR")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Step {
    peak: f64,
    gamma: f64,
    every: usize,
}
checked_serde!(
    Step,
    MultiStep,
    PiecewiseConstant,
    PiecewiseInterpolate,
    Boundary
);

impl Step {
    /// From `peak`, 0 or more, times `gamma`, 0 or more, after each `every` steps, 1 or more.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, gamma: f64, every: usize) -> Result<Self> {
        Self { peak, gamma, every }.checked()
    }
}

impl Checked for Step {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_count("every", self.every)?;
        check_not_negative("peak", self.peak)?;
        check_not_negative("gamma", self.gamma)
    }
}

impl Schedule for Step {
    fn at(&self, step: usize) -> f64 {
        power(self.peak, self.gamma, step / self.every)
    }
}

/// `peak gamma^count`, finite however large the count.
fn power(peak: f64, gamma: f64, count: usize) -> f64 {
    scaled(peak, whole_power(gamma, count))
}

/// `peak gamma^(number of milestones up to t)`: a milestone's own step has the new value.
#[doc(alias = "MultiStepLR")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct MultiStep {
    peak: f64,
    gamma: f64,
    milestones: Vec<usize>,
}

impl MultiStep {
    /// From `peak`, 0 or more, times `gamma`, 0 or more, at each milestone. Milestones are in
    /// order; one that is listed twice counts twice.
    ///
    /// # Errors
    /// If a parameter is out of its range or the milestones are not in order.
    pub fn new(peak: f64, gamma: f64, milestones: Vec<usize>) -> Result<Self> {
        Self {
            peak,
            gamma,
            milestones,
        }
        .checked()
    }
}

impl Checked for MultiStep {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_not_negative("peak", self.peak)?;
        check_not_negative("gamma", self.gamma)?;
        check_order("milestones", &self.milestones, usize::le)
    }
}

impl Schedule for MultiStep {
    fn at(&self, step: usize) -> f64 {
        let count = self
            .milestones
            .partition_point(|milestone| *milestone <= step);
        power(self.peak, self.gamma, count)
    }
}

/// Whose value a boundary's own step has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Boundary {
    /// The next part's, as in torch, optax and Burn.
    #[default]
    Next,
    /// The part's before, as in Keras.
    Previous,
}

impl Checked for Boundary {
    type Error = Error;

    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl Boundary {
    /// How many of the boundaries a step has passed, and the last one of them, or 0.
    pub(crate) fn passed(self, boundaries: &[usize], step: usize) -> (usize, usize) {
        let count = match self {
            Self::Next => boundaries.partition_point(|boundary| *boundary <= step),
            Self::Previous => boundaries.partition_point(|boundary| *boundary < step),
        };
        (
            count,
            count.checked_sub(1).map_or(0, |last| boundaries[last]),
        )
    }
}

/// One value for each stretch between boundaries.
///
/// ```
/// use regimen_schedules::{Boundary, PiecewiseConstant, Schedule};
///
/// let rate = PiecewiseConstant::new(vec![50, 75], vec![1.0, 0.1, 0.01])?;
/// assert_eq!((rate.at(49), rate.at(50), rate.at(75)), (1.0, 0.1, 0.01));
/// assert_eq!(rate.with_boundary(Boundary::Previous).at(50), 1.0);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[doc(alias("PiecewiseConstantDecay", "piecewise_constant_schedule"))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct PiecewiseConstant {
    boundaries: Vec<usize>,
    values: Vec<f64>,
    #[serde(default)]
    boundary: Boundary,
}

impl PiecewiseConstant {
    /// One more value than boundaries; boundaries rise, values are finite.
    ///
    /// # Errors
    /// If the lengths do not fit, the boundaries do not rise, or a value is not finite.
    pub fn new(boundaries: Vec<usize>, values: Vec<f64>) -> Result<Self> {
        let boundary = Boundary::Next;
        Self {
            boundaries,
            values,
            boundary,
        }
        .checked()
    }

    /// From `first`, times a factor, 0 or more, at each of the steps: the factors accumulate in the order of the steps, in
    /// whatever order they are listed.
    ///
    /// # Errors
    /// If a step is listed twice, a factor is negative, or a value is not finite.
    pub fn from_factors(first: f64, factors: &[(usize, f64)]) -> Result<Self> {
        let (boundaries, values) = accumulate(first, factors)?;
        Self::new(boundaries, values)
    }

    /// Whose value a boundary's own step has.
    #[must_use]
    pub fn with_boundary(self, boundary: Boundary) -> Self {
        Self { boundary, ..self }
    }
}

/// Steps in order, and the first value with what follows from the factors.
fn accumulate(first: f64, factors: &[(usize, f64)]) -> Result<(Vec<usize>, Vec<f64>)> {
    let mut factors = factors.to_vec();
    factors.sort_by_key(|(step, _)| *step);
    let mut values = vec![first];
    let mut value = first;
    for (_, factor) in &factors {
        check_not_negative("factor", *factor)?;
        value *= factor;
        values.push(value);
    }
    Ok((factors.into_iter().map(|(step, _)| step).collect(), values))
}

impl Checked for PiecewiseConstant {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_order("boundaries", &self.boundaries, usize::lt)?;
        let count = self.values.len();
        let fits = count == self.boundaries.len() + 1;
        check(
            "values",
            count as f64,
            fits,
            "one more than there are boundaries",
        )?;
        check_values(&self.values)
    }
}

impl Schedule for PiecewiseConstant {
    fn at(&self, step: usize) -> f64 {
        let (part, _) = self.boundary.passed(&self.boundaries, step);
        self.values[part]
    }
}

/// Straight lines or half cosines through points; the first and the last value hold outside.
#[doc(alias = "piecewise_interpolate_schedule")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct PiecewiseInterpolate {
    steps: Vec<usize>,
    values: Vec<f64>,
    curve: Curve,
}

impl PiecewiseInterpolate {
    /// Through points of a step and a value, joined by `curve`: [`Curve::Linear`] and
    /// [`Curve::Cosine`] are the usual ones.
    ///
    /// # Errors
    /// If there is no point, the steps do not rise, or a value is not finite.
    pub fn new(points: &[(usize, f64)], curve: Curve) -> Result<Self> {
        let (steps, values) = points.iter().copied().unzip();
        Self {
            steps,
            values,
            curve,
        }
        .checked()
    }

    /// From `first` at step 0, through that value times a factor, 0 or more, at each of the steps: the factors accumulate in the
    /// order of the steps, in whatever order they are listed. A factor at step 0 applies from the start.
    ///
    /// # Errors
    /// If a step is listed twice, a factor is negative, or a value is not finite.
    pub fn from_factors(first: f64, factors: &[(usize, f64)], curve: Curve) -> Result<Self> {
        let (mut steps, mut values) = accumulate(first, factors)?;
        if steps.first() == Some(&0) {
            values.remove(0);
        } else {
            steps.insert(0, 0);
        }
        Self {
            steps,
            values,
            curve,
        }
        .checked()
    }
}

impl Checked for PiecewiseInterpolate {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps.len())?;
        check_order("steps", &self.steps, usize::lt)?;
        let count = self.values.len();
        check(
            "values",
            count as f64,
            count == self.steps.len(),
            "as many as there are steps",
        )?;
        self.curve.check()?;
        check_values(&self.values)
    }
}

impl Schedule for PiecewiseInterpolate {
    fn at(&self, step: usize) -> f64 {
        let next = self.steps.partition_point(|known| *known <= step);
        if next == 0 {
            return self.values[0];
        }
        let before = next - 1;
        if next == self.steps.len() {
            return self.values[before];
        }
        let (start, end) = (self.steps[before], self.steps[next]);
        let progress = (step - start) as f64 / (end - start) as f64;
        self.curve
            .between(self.values[before], self.values[next], progress)
    }
}
