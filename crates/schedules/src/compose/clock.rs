//! # Sequence, Repeated, Restarted, Skipped, Held
//!
//! Schedules whose clock is cut, wound back, moved or slowed.
//!
//! Source: torch's `SequentialLR` and optax's `join_schedules` restart the clock of each part.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::mapped::mapped;
use crate::error::{Error, Result, check, check_count, check_order};
use crate::maths::{one, whole_power};
use crate::schedule::{Schedule, fill_counted, nested};
use crate::values::Boundary;

/// One schedule after another, each from its own step 0.
///
/// Boundaries are steps of the whole. By default a boundary's own step is the next part's step 0;
/// with [`Boundary::Previous`] it still belongs to the part before, and the next part starts one
/// step later with its own step 1.
///
/// ```
/// use regimen_schedules::{Constant, Linear, Schedule, Sequence};
///
/// let parts = vec![Linear::between(0.0, 1.0, 10)?, Linear::new(1.0, 20)?];
/// let rate = Sequence::new(parts, vec![10])?;
/// assert_eq!((rate.at(5), rate.at(10), rate.at(20)), (0.5, 1.0, 0.5));
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[doc(alias("SequentialLR", "join_schedules"))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Sequence", deny_unknown_fields)]
pub struct Sequence<S> {
    parts: Vec<S>,
    boundaries: Vec<usize>,
    #[serde(default)]
    boundary: Boundary,
}

mapped!(Sequence [ parts; boundaries, boundary ]);
checked_serde!(Sequence<S>);

impl<S: Schedule> Sequence<S> {
    /// One more part than boundaries; boundaries rise.
    ///
    /// # Errors
    /// If the lengths do not fit or the boundaries do not rise, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(parts: Vec<S>, boundaries: Vec<usize>) -> Result<Self> {
        let boundary = Boundary::Next;
        let new = Self {
            parts,
            boundaries,
            boundary,
        };
        nested(new.checked()?)
    }

    /// Whose value a boundary's own step has.
    #[must_use]
    pub fn with_boundary(self, boundary: Boundary) -> Self {
        Self { boundary, ..self }
    }
}

impl<S> Checked for Sequence<S> {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let count = self.parts.len();
        let fits = count == self.boundaries.len() + 1;
        check(
            "parts",
            count as f64,
            fits,
            "one more than there are boundaries",
        )?;
        check_order("boundaries", &self.boundaries, usize::lt)
    }
}

impl<S: Schedule> Schedule for Sequence<S> {
    fn at(&self, step: usize) -> f64 {
        let (part, start) = self.boundary.passed(&self.boundaries, step);
        self.parts[part].at(step - start)
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        // With `Previous` the last step of a part is a boundary's own.
        let own = usize::from(self.boundary == Boundary::Previous);
        let fill = |values: &mut [f64]| {
            let (mut step, mut rest) = (from, values);
            while !rest.is_empty() {
                let (part, start) = self.boundary.passed(&self.boundaries, step);
                let end = self.boundaries.get(part).map(|end| end.saturating_add(own));
                let length = end.map_or(rest.len(), |end| rest.len().min((end - step).max(1)));
                let (now, later) = rest.split_at_mut(length);
                self.parts[part].fill(step - start, now);
                (step, rest) = (step.saturating_add(length), later);
            }
        };
        fill_counted(from, values, || self.at(usize::MAX), fill);
    }

    fn depth(&self) -> usize {
        let parts = self.parts.iter().map(Schedule::depth);
        parts.max().unwrap_or(0).saturating_add(2)
    }
}

/// A schedule that starts again after each period, for ever or a number of times.
///
/// Each round's values are `decay` times those of the round before. After the last round, the
/// value that ends a period holds: `inner.at(period)` at the last round's height.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Repeated", deny_unknown_fields)]
pub struct Repeated<S> {
    inner: S,
    period: usize,
    #[serde(default)]
    times: Option<usize>,
    #[serde(default = "one")]
    decay: f64,
}

mapped!(Repeated { inner; period, times, decay });
checked_serde!(Repeated<S>);

impl<S: Schedule> Repeated<S> {
    /// A period of 1 step or more, for ever.
    ///
    /// # Errors
    /// If `period` is 0, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(inner: S, period: usize) -> Result<Self> {
        let (times, decay) = (None, 1.0);
        let new = Self {
            inner,
            period,
            times,
            decay,
        };
        nested(new.checked()?)
    }

    /// Ends after 1 round or more.
    ///
    /// # Errors
    /// If `times` is 0.
    pub fn with_times(self, times: usize) -> Result<Self> {
        let new = Self {
            times: Some(times),
            ..self
        };
        new.checked()
    }

    /// Multiplies each round by a factor, above 0 and up to 1.
    ///
    /// # Errors
    /// If `decay` is out of its range.
    pub fn with_decay(self, decay: f64) -> Result<Self> {
        let new = Self { decay, ..self };
        new.checked()
    }
}

impl<S> Checked for Repeated<S> {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_count("period", self.period)?;
        let times = self.times.unwrap_or(1);
        check_count("times", times)?;
        let decay = self.decay;
        check(
            "decay",
            decay,
            decay > 0.0 && decay <= 1.0,
            "above 0, up to 1",
        )
    }
}

impl<S: Schedule> Schedule for Repeated<S> {
    fn at(&self, step: usize) -> f64 {
        let (mut round, mut within) = (step / self.period, step % self.period);
        if let Some(times) = self.times.filter(|times| round >= *times) {
            (round, within) = (times - 1, self.period);
        }
        whole_power(self.decay, round) * self.inner.at(within)
    }

    fn depth(&self) -> usize {
        self.inner.depth().saturating_add(1)
    }
}

/// A schedule whose clock goes back to 0 at each of some steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Restarted", deny_unknown_fields)]
pub struct Restarted<S> {
    inner: S,
    boundaries: Vec<usize>,
}

mapped!(Restarted { inner; boundaries });
checked_serde!(Restarted<S>);

impl<S: Schedule> Restarted<S> {
    /// Starts again at each boundary; boundaries rise.
    ///
    /// # Errors
    /// If the boundaries do not rise, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(inner: S, boundaries: Vec<usize>) -> Result<Self> {
        let new = Self { inner, boundaries };
        nested(new.checked()?)
    }
}

impl<S> Checked for Restarted<S> {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_order("boundaries", &self.boundaries, usize::lt)
    }
}

impl<S: Schedule> Schedule for Restarted<S> {
    fn at(&self, step: usize) -> f64 {
        let (_, start) = Boundary::Next.passed(&self.boundaries, step);
        self.inner.at(step - start)
    }

    fn depth(&self) -> usize {
        self.inner.depth().saturating_add(1)
    }
}

/// A schedule without its first steps: `inner.at(t + steps)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped<S> {
    inner: S,
    steps: usize,
}

mapped!(Skipped { inner; steps });

impl<S: Schedule> Skipped<S> {
    /// Starts at the inner schedule's step `steps`.
    ///
    /// # Errors
    /// If schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(inner: S, steps: usize) -> Result<Self> {
        nested(Self { inner, steps })
    }
}

impl<S: Schedule> Schedule for Skipped<S> {
    fn at(&self, step: usize) -> f64 {
        self.inner.at(step.saturating_add(self.steps))
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        self.inner.fill(from.saturating_add(self.steps), values);
    }

    fn depth(&self) -> usize {
        self.inner.depth().saturating_add(1)
    }
}

/// A schedule that advances once in so many steps: one that counts epochs, for a run that counts
/// updates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Held", deny_unknown_fields)]
pub struct Held<S> {
    inner: S,
    every: usize,
}

mapped!(Held { inner; every });
checked_serde!(Held<S>);

impl<S: Schedule> Held<S> {
    /// Advances every `every` steps, 1 or more.
    ///
    /// # Errors
    /// If `every` is 0, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(inner: S, every: usize) -> Result<Self> {
        let new = Self { inner, every };
        nested(new.checked()?)
    }
}

impl<S> Checked for Held<S> {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_count("every", self.every)
    }
}

impl<S: Schedule> Schedule for Held<S> {
    fn at(&self, step: usize) -> f64 {
        self.inner.at(step / self.every)
    }

    fn depth(&self) -> usize {
        self.inner.depth().saturating_add(1)
    }
}
