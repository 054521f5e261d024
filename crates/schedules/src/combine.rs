//! # Warmup, Then, Clamped, Scaled
//!
//! Schedules built from schedules.
//!
//! Source: linear warm-up after Goyal et al. 2017; the others are plain composition.

use serde::{Deserialize, Serialize};

use crate::error::{Result, check, check_steps};
use crate::schedule::Schedule;

/// A linear rise from `first / steps` to the first value of the inner schedule.
///
/// `at(t) = inner.at(0) (t + 1) / steps` for `t < steps`, then `inner.at(t - steps)`: no step is
/// wasted at rate 0, and the peak is reached at step `steps - 1`.
///
/// ```
/// use regimen_schedules::{Constant, Schedule, ScheduleExt};
///
/// let rate = Constant::new(1.0)?.warmed_up(4)?;
/// assert_eq!([rate.at(0), rate.at(1), rate.at(3), rate.at(9)], [0.25, 0.5, 1.0, 1.0]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warmup<S> {
    steps: usize,
    inner: S,
}

impl<S: Schedule> Warmup<S> {
    /// A rise over `steps`, 1 or more.
    ///
    /// # Errors
    /// If `steps` is 0.
    pub fn new(steps: usize, inner: S) -> Result<Self> {
        check_steps(steps)?;
        Ok(Self { steps, inner })
    }
}

impl<S: Schedule> Schedule for Warmup<S> {
    fn at(&self, step: usize) -> f64 {
        match step.checked_sub(self.steps) {
            Some(inner) => self.inner.at(inner),
            None => self.inner.at(0) * (step + 1) as f64 / self.steps as f64,
        }
    }
}

/// One schedule for some steps, then another from its own step 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Then<A, B> {
    first: A,
    steps: usize,
    next: B,
}

impl<A: Schedule, B: Schedule> Then<A, B> {
    /// `first` for `steps`, then `next`.
    #[must_use]
    pub fn new(first: A, steps: usize, next: B) -> Self {
        Self { first, steps, next }
    }
}

impl<A: Schedule, B: Schedule> Schedule for Then<A, B> {
    fn at(&self, step: usize) -> f64 {
        match step.checked_sub(self.steps) {
            Some(next) => self.next.at(next),
            None => self.first.at(step),
        }
    }
}

/// A schedule kept between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clamped<S> {
    inner: S,
    low: f64,
    high: f64,
}

impl<S: Schedule> Clamped<S> {
    /// Keeps the inner values in `low..=high`.
    ///
    /// # Errors
    /// If a bound is not finite, or the low one is above the high one.
    pub fn new(inner: S, low: f64, high: f64) -> Result<Self> {
        check("low", low, true, "a finite number")?;
        check("high", high, high >= low, "a finite number, `low` or more")?;
        Ok(Self { inner, low, high })
    }
}

impl<S: Schedule> Schedule for Clamped<S> {
    fn at(&self, step: usize) -> f64 {
        self.inner.at(step).clamp(self.low, self.high)
    }
}

/// A schedule times a factor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaled<S> {
    inner: S,
    factor: f64,
}

impl<S: Schedule> Scaled<S> {
    /// The inner values times `factor`.
    #[must_use]
    pub fn new(inner: S, factor: f64) -> Self {
        Self { inner, factor }
    }
}

impl<S: Schedule> Schedule for Scaled<S> {
    fn at(&self, step: usize) -> f64 {
        self.factor * self.inner.at(step)
    }
}
