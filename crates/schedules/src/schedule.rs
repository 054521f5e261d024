//! # Schedule
//!
//! A value over time, in closed form: `at(step)` is all there is.
//!
//! Source: the common form of the shapes below.

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
