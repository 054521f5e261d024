//! What the libraries' schedules are joined from.

use crate::compose::AnySchedule;
use crate::compose::Sequence;
use crate::error::{Result, check};
use crate::values::{Constant, Linear};

/// A line between two rates, then another schedule from its own step 0; no line of length 0.
pub(super) fn line_then(
    from: f64,
    to: f64,
    steps: usize,
    next: impl Into<AnySchedule>,
) -> Result<AnySchedule> {
    if steps == 0 {
        return Ok(next.into());
    }
    let line = Linear::between(from, to, steps)?;
    Ok(Sequence::new(vec![line.into(), next.into()], vec![steps])?.into())
}

/// A constant rate, then another schedule from its own step 0.
pub(super) fn delayed(
    rate: f64,
    steps: usize,
    next: impl Into<AnySchedule>,
) -> Result<AnySchedule> {
    if steps == 0 {
        return Ok(next.into());
    }
    let first = Constant::new(rate)?;
    Ok(Sequence::new(vec![first.into(), next.into()], vec![steps])?.into())
}

/// What a warm-up leaves of a run, 1 step or more.
pub(super) fn rest(field: &'static str, total: usize, before: usize) -> Result<usize> {
    check(field, total as f64, total > before, "more than the warm-up")?;
    Ok(total - before)
}

/// The same where a warm-up may be as long as the run or longer: then one step.
pub(super) fn rest_or_one(total: usize, before: usize) -> usize {
    total.saturating_sub(before).max(1)
}
