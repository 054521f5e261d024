//! # Schedule
//!
//! A value over time, in closed form: `at(step)` is all there is.
//!
//! Source: the common form of the shapes below.

use rayon::prelude::*;

use crate::clock::{Held, Repeated, Restarted, Skipped};
use crate::combine::{Clamped, Scaled, Then, Warmup};
use crate::error::Result;

/// A value at each step of a run, in closed form.
///
/// Steps count from 0: `at(0)` is the value of the first update. A schedule holds no position, so
/// it can be asked for any step in any order; what advances is the adaptor
/// [`LrSchedule`](crate::LrSchedule). Values are rates, temperatures, sparsities, weights: whatever
/// the user says.
///
/// ```
/// use regimen_schedules::{Linear, Schedule};
///
/// let rate = Linear::new(1.0, 4)?;
/// let values: Vec<f64> = (0..5).map(|step| rate.at(step)).collect();
/// assert_eq!(values, [1.0, 0.75, 0.5, 0.25, 0.0]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
pub trait Schedule {
    /// The value at a step; past the end of a finite schedule, its last value.
    fn at(&self, step: usize) -> f64;

    /// The values from step `from` on, one for each place: the same as [`at`](Self::at), which need
    /// not be overridden for it, faster where neighbours share work.
    fn fill(&self, from: usize, values: &mut [f64]) {
        for (offset, value) in values.iter_mut().enumerate() {
            *value = self.at(from.saturating_add(offset));
        }
    }
}

impl<S: Schedule + ?Sized> Schedule for &S {
    fn at(&self, step: usize) -> f64 {
        (**self).at(step)
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        (**self).fill(from, values);
    }
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn at(&self, step: usize) -> f64 {
        (**self).at(step)
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        (**self).fill(from, values);
    }
}

impl<S: Schedule + ?Sized> Schedule for std::sync::Arc<S> {
    fn at(&self, step: usize) -> f64 {
        (**self).at(step)
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        (**self).fill(from, values);
    }
}

/// Values of a table that one thread computes in one go.
const CHUNK: usize = 1 << 14;

/// Ways to build schedules from schedules.
pub trait ScheduleExt: Schedule + Sized {
    /// This schedule after a linear rise from 0 over `steps`; its own step 0 is the rise's end.
    ///
    /// # Errors
    /// If `steps` is 0.
    fn warmed_up(self, steps: usize) -> Result<Warmup<Self>> {
        Warmup::new(steps, self)
    }

    /// This schedule for `steps`, then `next` from its own step 0.
    fn then<N: Schedule>(self, steps: usize, next: N) -> Then<Self, N> {
        Then::new(self, steps, next)
    }

    /// This schedule kept between two bounds.
    ///
    /// # Errors
    /// If a bound is not finite, or the low one is above the high one.
    fn clamped(self, low: f64, high: f64) -> Result<Clamped<Self>> {
        Clamped::new(self, low, high)
    }

    /// The values of the first `steps` steps, computed by all threads.
    fn table(&self, steps: usize) -> Vec<f64>
    where
        Self: Sync,
    {
        let mut values = vec![0.0; steps];
        let chunks = values.par_chunks_mut(CHUNK).enumerate();
        chunks.for_each(|(i, chunk)| self.fill(i * CHUNK, chunk));
        values
    }

    /// This schedule again and again, each time for `period` steps.
    ///
    /// # Errors
    /// If `period` is 0.
    fn repeated(self, period: usize) -> Result<Repeated<Self>> {
        Repeated::new(self, period)
    }

    /// This schedule with its clock back at 0 at each boundary.
    ///
    /// # Errors
    /// If the boundaries do not rise.
    fn restarted(self, boundaries: Vec<usize>) -> Result<Restarted<Self>> {
        Restarted::new(self, boundaries)
    }

    /// This schedule without its first steps.
    fn skipped(self, steps: usize) -> Skipped<Self> {
        Skipped::new(self, steps)
    }

    /// This schedule, advanced once in `every` steps.
    ///
    /// # Errors
    /// If `every` is 0.
    fn held(self, every: usize) -> Result<Held<Self>> {
        Held::new(self, every)
    }

    /// This schedule times a factor.
    fn scaled(self, factor: f64) -> Scaled<Self> {
        Scaled::new(self, factor)
    }
}

impl<S: Schedule> ScheduleExt for S {}
