//! # Tanh, Exponential, InverseTime, Noam
//!
//! Decays in closed form with a law of their own.
//!
//! Source: hyperbolic tangent after Hsueh et al. 2018, arXiv 1806.01593; Noam after Vaswani et al.
//! 2017; exponential and inverse time as in optax and Keras.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::shapes::progress;
use crate::curve::Curve;
use crate::error::{
    Error, Result, check, check_count, check_finite, check_not_negative, check_positive,
    check_steps,
};
use crate::maths::{exponential, scaled};
use crate::schedule::Schedule;

/// Hyperbolic-tangent decay: `end + (peak - end) (1 - tanh(lower (1 - p) + upper p)) / 2`.
///
/// Past `steps` it holds `end`. The factor is nearly 1 at the start and nearly 0 before the end: with the bounds
/// -7 and 3, 0.9999992 and 0.0025.
#[doc(alias = "HTD")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Tanh {
    peak: f64,
    #[serde(default)]
    end: f64,
    steps: usize,
    lower: f64,
    upper: f64,
}
checked_serde!(Tanh, Exponential, InverseTime, Noam);

impl Tanh {
    /// From `peak` to 0 over `steps`, 1 or more, with the bounds -7 and 3.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, steps: usize) -> Result<Self> {
        let (end, lower, upper) = (0.0, -7.0, 3.0);
        Self {
            peak,
            end,
            steps,
            lower,
            upper,
        }
        .checked()
    }

    /// Ends at `end` instead of 0.
    ///
    /// # Errors
    /// If `end` is not finite or negative.
    pub fn with_end(self, end: f64) -> Result<Self> {
        Self { end, ..self }.checked()
    }

    /// Other arguments of the tangent at the start and at the end, `lower` below `upper`.
    ///
    /// # Errors
    /// If a bound is not finite, or they are not in order.
    pub fn with_bounds(self, lower: f64, upper: f64) -> Result<Self> {
        Self {
            lower,
            upper,
            ..self
        }
        .checked()
    }
}

impl Checked for Tanh {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check_not_negative("peak", self.peak)?;
        check_not_negative("end", self.end)?;
        check_finite("lower", self.lower)?;
        check(
            "upper",
            self.upper,
            self.upper > self.lower,
            "above `lower`",
        )
    }
}

impl Schedule for Tanh {
    fn at(&self, step: usize) -> f64 {
        if step >= self.steps {
            return self.end;
        }
        let curve = Curve::Tanh {
            from: self.lower,
            to: self.upper,
        };
        curve.between(self.peak, self.end, progress(step, self.steps))
    }
}

/// `peak rate^(t / steps)`, continuous or in stairs, with a bound where it stops.
///
/// torch's `ExponentialLR` is `steps` 1. Never ends: without a bound it tends to 0, and a `rate`
/// above 1 to the largest finite number.
#[doc(alias("ExponentialLR", "ExponentialDecay", "exponential_decay"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Exponential {
    peak: f64,
    rate: f64,
    steps: usize,
    #[serde(default)]
    staircase: bool,
    #[serde(default)]
    bound: Option<f64>,
}

impl Exponential {
    /// From `peak`, times `rate`, above 0, over each `steps`, 1 or more.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, rate: f64, steps: usize) -> Result<Self> {
        let (staircase, bound) = (false, None);
        Self {
            peak,
            rate,
            steps,
            staircase,
            bound,
        }
        .checked()
    }

    /// Changes only at multiples of `steps`.
    #[must_use]
    pub fn with_staircase(self) -> Self {
        Self {
            staircase: true,
            ..self
        }
    }

    /// Stops at a value: the least one for a rate below 1, the largest one otherwise.
    ///
    /// # Errors
    /// If `bound` is not finite or negative.
    pub fn with_bound(self, bound: f64) -> Result<Self> {
        Self {
            bound: Some(bound),
            ..self
        }
        .checked()
    }
}

impl Checked for Exponential {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check_not_negative("peak", self.peak)?;
        check_positive("rate", self.rate)?;
        let bound = self.bound.unwrap_or(0.0);
        check_not_negative("bound", bound)
    }
}

impl Schedule for Exponential {
    fn at(&self, step: usize) -> f64 {
        let factor = exponential(self.rate, periods(step, self.steps, self.staircase));
        let value = scaled(self.peak, factor);
        match self.bound {
            Some(least) if self.rate < 1.0 => value.max(least),
            Some(most) => value.min(most),
            None => value,
        }
    }
}

/// How many periods have passed, as a whole number in stairs.
fn periods(step: usize, steps: usize, staircase: bool) -> f64 {
    if staircase {
        (step / steps) as f64
    } else {
        step as f64 / steps as f64
    }
}

/// `peak / (1 + rate t / steps)`, continuous or in stairs: never ends.
#[doc(alias = "InverseTimeDecay")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct InverseTime {
    peak: f64,
    rate: f64,
    steps: usize,
    #[serde(default)]
    staircase: bool,
}

impl InverseTime {
    /// From `peak`, with a `rate` of 0 or more for each `steps`, 1 or more.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, rate: f64, steps: usize) -> Result<Self> {
        Self {
            peak,
            rate,
            steps,
            staircase: false,
        }
        .checked()
    }

    /// Changes only at multiples of `steps`.
    #[must_use]
    pub fn with_staircase(self) -> Self {
        Self {
            staircase: true,
            ..self
        }
    }
}

impl Checked for InverseTime {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check_not_negative("peak", self.peak)?;
        check_not_negative("rate", self.rate)
    }
}

impl Schedule for InverseTime {
    fn at(&self, step: usize) -> f64 {
        self.peak / (1.0 + self.rate * periods(step, self.steps, self.staircase))
    }
}

/// `factor / sqrt(width) min(1 / sqrt(s), s / warmup^1.5)` with `s = t + 1`: never ends.
///
/// The peak, at step `warmup - 1`, is `factor / sqrt(width warmup)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Noam {
    factor: f64,
    warmup: usize,
    width: usize,
}

impl Noam {
    /// With a `factor`, 0 or more, a warm-up of some steps, 1 or more, and the model's width, 1
    /// or more. The paper has 1, 4000 and 512.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(factor: f64, warmup: usize, width: usize) -> Result<Self> {
        Self {
            factor,
            warmup,
            width,
        }
        .checked()
    }
}

impl Checked for Noam {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_not_negative("factor", self.factor)?;
        check_count("warmup", self.warmup)?;
        check_count("width", self.width)
    }
}

impl Schedule for Noam {
    fn at(&self, step: usize) -> f64 {
        let (s, warmup) = (step as f64 + 1.0, self.warmup as f64);
        let shape = s.sqrt().recip().min(s / (warmup * warmup.sqrt()));
        self.factor / (self.width as f64).sqrt() * shape
    }
}
