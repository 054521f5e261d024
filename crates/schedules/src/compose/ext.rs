//! The methods that build schedules from a schedule.

use rayon::prelude::*;

use super::clock::{Held, Repeated, Restarted, Skipped};
use super::combine::{Clamped, Scaled, Then, Warmup};
use crate::error::{MOST_VALUES, Result, check_most};
use crate::schedule::Schedule;

/// Values of a table that one thread computes in one go.
const CHUNK: usize = 1 << 14;

/// Ways to build schedules from schedules.
pub trait ScheduleExt: Schedule + Sized {
    /// This schedule after a linear rise from 0 over `steps`; its own step 0 is the rise's end.
    ///
    /// # Errors
    /// If `steps` is 0, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    fn warmed_up(self, steps: usize) -> Result<Warmup<Self>> {
        Warmup::new(steps, self)
    }

    /// This schedule for `steps`, then `next` from its own step 0.
    ///
    /// # Errors
    /// If schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    fn then<N: Schedule>(self, steps: usize, next: N) -> Result<Then<Self, N>> {
        Then::new(self, steps, next)
    }

    /// This schedule kept between two bounds.
    ///
    /// # Errors
    /// If a bound is not finite, or the low one is above the high one, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    fn clamped(self, low: f64, high: f64) -> Result<Clamped<Self>> {
        Clamped::new(self, low, high)
    }

    /// The values of the first `steps` steps, computed by all threads.
    ///
    /// # Errors
    /// For more than `2^27` steps, a gibibyte of values: [`fill`](Schedule::fill) gives a part.
    fn table(&self, steps: usize) -> Result<Vec<f64>>
    where
        Self: Sync,
    {
        check_most("steps", steps, MOST_VALUES)?;
        let mut values = vec![0.0; steps];
        let chunks = values.par_chunks_mut(CHUNK).enumerate();
        chunks.for_each(|(i, chunk)| self.fill(i * CHUNK, chunk));
        Ok(values)
    }

    /// This schedule again and again, each time for `period` steps.
    ///
    /// # Errors
    /// If `period` is 0, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    fn repeated(self, period: usize) -> Result<Repeated<Self>> {
        Repeated::new(self, period)
    }

    /// This schedule with its clock back at 0 at each boundary.
    ///
    /// # Errors
    /// If the boundaries do not rise, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    fn restarted(self, boundaries: Vec<usize>) -> Result<Restarted<Self>> {
        Restarted::new(self, boundaries)
    }

    /// This schedule without its first steps.
    ///
    /// # Errors
    /// If schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    fn skipped(self, steps: usize) -> Result<Skipped<Self>> {
        Skipped::new(self, steps)
    }

    /// This schedule, advanced once in `every` steps.
    ///
    /// # Errors
    /// If `every` is 0, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    fn held(self, every: usize) -> Result<Held<Self>> {
        Held::new(self, every)
    }

    /// This schedule times a factor.
    ///
    /// # Errors
    /// If schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    fn scaled(self, factor: f64) -> Result<Scaled<Self>> {
        Scaled::new(self, factor)
    }
}

impl<S: Schedule> ScheduleExt for S {}
