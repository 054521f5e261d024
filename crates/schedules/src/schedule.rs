//! # Schedule
//!
//! A value over time, in closed form: `at(step)` is all there is.
//!
//! Source: the common form of the shapes below.

use crate::error::{Result, check};

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

    /// How many levels of schedules are around the innermost one: 0, and for a composition one more than its deepest part has (two
    /// for a list of parts, as in a file). Compositions have at most [`MOST_LEVELS`].
    fn depth(&self) -> usize {
        0
    }
}

/// The most levels of a composition: as many as a reader of JSON follows, with room for what encloses it. Many phases in a row
/// are one [`Sequence`](crate::Sequence), which has as many levels for two of them as for a thousand.
pub const MOST_LEVELS: usize = 100;

/// Refuses a composition that is nested deeper than [`MOST_LEVELS`].
pub(crate) fn nested<S: Schedule>(schedule: S) -> Result<S> {
    check_depth(schedule.depth())?;
    Ok(schedule)
}

/// Refuses more than [`MOST_LEVELS`].
pub(crate) fn check_depth(depth: usize) -> Result<()> {
    let allowed = "100 levels of schedules in each other at most";
    check("depth", depth as f64, depth <= MOST_LEVELS, allowed)
}

/// Fills the places whose steps can be counted by `fill`, and those beyond with the value of the last step that can.
pub(crate) fn fill_counted(
    from: usize,
    values: &mut [f64],
    last: impl FnOnce() -> f64,
    fill: impl FnOnce(&mut [f64]),
) {
    let counted = values.len().min((usize::MAX - from).saturating_add(1));
    let (now, beyond) = values.split_at_mut(counted);
    fill(now);
    if !beyond.is_empty() {
        beyond.fill(last());
    }
}

impl<S: Schedule + ?Sized> Schedule for &S {
    fn at(&self, step: usize) -> f64 {
        (**self).at(step)
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        (**self).fill(from, values);
    }

    fn depth(&self) -> usize {
        (**self).depth()
    }
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn at(&self, step: usize) -> f64 {
        (**self).at(step)
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        (**self).fill(from, values);
    }

    fn depth(&self) -> usize {
        (**self).depth()
    }
}

impl<S: Schedule + ?Sized> Schedule for std::sync::Arc<S> {
    fn at(&self, step: usize) -> f64 {
        (**self).at(step)
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        (**self).fill(from, values);
    }

    fn depth(&self) -> usize {
        (**self).depth()
    }
}
