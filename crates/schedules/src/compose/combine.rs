//! # Warmup, Then, Clamped, Scaled
//!
//! Schedules built from one or two schedules.
//!
//! Source: linear warm-up after Goyal et al. 2017; the others are plain composition.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::mapped::mapped;
use crate::curve::Rise;
use crate::error::{Error, Result, check, check_finite, check_steps};
use crate::maths::bounded;
use crate::schedule::{Schedule, fill_counted, nested};

/// A rise to the first value of the inner schedule, linear from `first / steps` unless set
/// otherwise.
///
/// `at(t) = inner.at(0) (t + 1) / steps` for `t < steps`, then `inner.at(t - steps)`: no step is
/// wasted at rate 0, and the peak is reached at step `steps - 1`. With
/// [`starting_at`](Self::starting_at) the rise starts at a given value and its peak is the inner
/// schedule's own step 0, at `steps`: with 0 this is the warm-up of transformers, optax, timm and Keras.
///
/// ```
/// use regimen_schedules::{Constant, Schedule, ScheduleExt};
///
/// let rate = Constant::new(1.0)?.warmed_up(4)?;
/// assert_eq!([rate.at(0), rate.at(1), rate.at(3), rate.at(9)], [0.25, 0.5, 1.0, 1.0]);
/// let rate = rate.starting_at(0.0)?;
/// assert_eq!([rate.at(0), rate.at(1), rate.at(3), rate.at(9)], [0.0, 0.25, 0.75, 1.0]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Warmup", deny_unknown_fields)]
pub struct Warmup<S> {
    steps: usize,
    #[serde(default)]
    from: Option<f64>,
    #[serde(default)]
    rise: Rise,
    #[serde(default)]
    clock: WarmupClock,
    inner: S,
}

/// What the inner schedule's clock does during a warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmupClock {
    /// It waits: its step 0 is the end of the rise.
    #[default]
    Waits,
    /// It runs: after `steps` the value is `inner.at(steps)`. The rise aims at `inner.at(0)`, so
    /// there may be a jump (timm without `warmup_prefix`).
    Runs,
    /// It runs, and the rise aims at `inner.at(steps)`: no jump.
    RunsContinuously,
}

mapped!(Warmup { inner; steps, from, rise, clock });
checked_serde!(Warmup<S>);

impl<S: Schedule> Warmup<S> {
    /// A rise over `steps`, 1 or more.
    ///
    /// # Errors
    /// If `steps` is 0, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(steps: usize, inner: S) -> Result<Self> {
        let (from, rise, clock) = (None, Rise::Linear, WarmupClock::Waits);
        let new = Self {
            steps,
            from,
            rise,
            clock,
            inner,
        };
        nested(new.checked()?)
    }

    /// Starts at a value: `from` at step 0, the peak at step `steps`.
    ///
    /// # Errors
    /// If `from` is not finite.
    pub fn starting_at(self, from: f64) -> Result<Self> {
        Self {
            from: Some(from),
            ..self
        }
        .checked()
    }

    /// Another shape of the rise.
    #[must_use]
    pub fn with_rise(self, rise: Rise) -> Self {
        Self { rise, ..self }
    }

    /// What the inner schedule's clock does during the rise.
    #[must_use]
    pub fn with_clock(self, clock: WarmupClock) -> Self {
        Self { clock, ..self }
    }
}

impl<S> Checked for Warmup<S> {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check_finite("from", self.from.unwrap_or(0.0))
    }
}

impl<S: Schedule> Warmup<S> {
    /// The value at a step of the rise.
    fn rising(&self, step: usize) -> f64 {
        let peak = match self.clock {
            WarmupClock::RunsContinuously => self.inner.at(self.steps),
            _ => self.inner.at(0),
        };
        let (from, t) = match self.from {
            Some(from) => (from, step as f64),
            None if self.rise == Rise::Linear => {
                return peak * ((step + 1) as f64 / self.steps as f64);
            }
            None => (0.0, (step + 1) as f64),
        };
        self.rise.between(from, peak, t / self.steps as f64)
    }

    /// The inner schedule's step at a step after the rise.
    fn inner_step(&self, step: usize) -> usize {
        match self.clock {
            WarmupClock::Waits => step - self.steps,
            WarmupClock::Runs | WarmupClock::RunsContinuously => step,
        }
    }
}

impl<S: Schedule> Schedule for Warmup<S> {
    fn at(&self, step: usize) -> f64 {
        if step < self.steps {
            return self.rising(step);
        }
        self.inner.at(self.inner_step(step))
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        let fill = |values: &mut [f64]| {
            let before = self.steps.saturating_sub(from).min(values.len());
            let (rise, after) = values.split_at_mut(before);
            for (offset, value) in rise.iter_mut().enumerate() {
                *value = self.rising(from + offset);
            }
            if !after.is_empty() {
                self.inner.fill(self.inner_step(from + before), after);
            }
        };
        fill_counted(from, values, || self.at(usize::MAX), fill);
    }

    fn depth(&self) -> usize {
        self.inner.depth().saturating_add(1)
    }
}

/// One schedule for some steps, then another from its own step 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then<A, B> {
    first: A,
    steps: usize,
    next: B,
}

impl<A, B> Then<A, B> {
    pub(crate) fn map<C, D>(self, first: impl Fn(A) -> C, next: impl Fn(B) -> D) -> Then<C, D> {
        Then {
            first: first(self.first),
            steps: self.steps,
            next: next(self.next),
        }
    }
}

impl<A: Schedule, B: Schedule> Then<A, B> {
    /// `first` for `steps`, then `next`.
    ///
    /// # Errors
    /// If schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(first: A, steps: usize, next: B) -> Result<Self> {
        nested(Self { first, steps, next })
    }
}

impl<A: Schedule, B: Schedule> Schedule for Then<A, B> {
    fn at(&self, step: usize) -> f64 {
        match step.checked_sub(self.steps) {
            Some(next) => self.next.at(next),
            None => self.first.at(step),
        }
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        let fill = |values: &mut [f64]| {
            let before = self.steps.saturating_sub(from).min(values.len());
            let (first, next) = values.split_at_mut(before);
            self.first.fill(from, first);
            self.next.fill(from.saturating_sub(self.steps), next);
        };
        fill_counted(from, values, || self.at(usize::MAX), fill);
    }

    fn depth(&self) -> usize {
        let deepest = self.first.depth().max(self.next.depth());
        deepest.saturating_add(1)
    }
}

/// A schedule kept between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Clamped", deny_unknown_fields)]
pub struct Clamped<S> {
    inner: S,
    low: f64,
    high: f64,
}

mapped!(Clamped { inner; low, high });
checked_serde!(Clamped<S>);

impl<S: Schedule> Clamped<S> {
    /// Keeps the inner values in `low..=high`.
    ///
    /// # Errors
    /// If a bound is not finite, or the low one is above the high one, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(inner: S, low: f64, high: f64) -> Result<Self> {
        let new = Self { inner, low, high };
        nested(new.checked()?)
    }
}

impl<S> Checked for Clamped<S> {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_finite("low", self.low)?;
        check(
            "high",
            self.high,
            self.high >= self.low,
            "a finite number, `low` or more",
        )
    }
}

impl<S: Schedule> Schedule for Clamped<S> {
    fn at(&self, step: usize) -> f64 {
        self.inner.at(step).max(self.low).min(self.high)
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        self.inner.fill(from, values);
        for value in values {
            *value = value.max(self.low).min(self.high);
        }
    }

    fn depth(&self) -> usize {
        self.inner.depth().saturating_add(1)
    }
}

/// A schedule times a factor, within the range of finite numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Scaled", deny_unknown_fields)]
pub struct Scaled<S> {
    inner: S,
    factor: f64,
}

mapped!(Scaled { inner; factor });
checked_serde!(Scaled<S>);

impl<S: Schedule> Scaled<S> {
    /// The inner values times `factor`.
    ///
    /// A `factor` that is NaN makes every value NaN. An infinite one makes values the largest finite ones of their sign, and NaN
    /// where the inner value is 0. What is read from a file has a finite one.
    ///
    /// # Errors
    /// If schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(inner: S, factor: f64) -> Result<Self> {
        nested(Self { inner, factor })
    }
}

impl<S> Checked for Scaled<S> {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_finite("factor", self.factor)
    }
}

impl<S: Schedule> Schedule for Scaled<S> {
    fn at(&self, step: usize) -> f64 {
        bounded(self.factor * self.inner.at(step))
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        self.inner.fill(from, values);
        for value in values {
            *value = bounded(self.factor * *value);
        }
    }

    fn depth(&self) -> usize {
        self.inner.depth().saturating_add(1)
    }
}
