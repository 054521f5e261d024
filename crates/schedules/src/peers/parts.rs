//! What the libraries' schedules are joined from.

use crate::compose::AnySchedule;
use crate::compose::Sequence;
use crate::error::{Result, check, check_finite};
use crate::values::{Constant, Linear};

/// An argument of a peer's function: its name there, and its value.
pub(super) type Argument = (&'static str, f64);

/// A line between two rates, then another schedule from its own step 0; no line of length 0.
pub(super) fn line_then(
    (from_name, from): Argument,
    (to_name, to): Argument,
    steps: usize,
    next: impl Into<AnySchedule>,
) -> Result<AnySchedule> {
    if steps == 0 {
        return Ok(next.into());
    }
    check_finite(from_name, from)?;
    check_finite(to_name, to)?;
    let line = Linear::between(from, to, steps)?;
    Ok(Sequence::new(vec![line.into(), next.into()], vec![steps])?.into())
}

/// A constant rate, then another schedule from its own step 0.
pub(super) fn delayed(
    (name, rate): Argument,
    steps: usize,
    next: impl Into<AnySchedule>,
) -> Result<AnySchedule> {
    if steps == 0 {
        return Ok(next.into());
    }
    let first = constant((name, rate))?;
    Ok(Sequence::new(vec![first.into(), next.into()], vec![steps])?.into())
}

/// A constant rate.
pub(super) fn constant((name, rate): Argument) -> Result<Constant> {
    check_finite(name, rate)?;
    Constant::new(rate)
}

/// A factor times a rate: refused by its own name where one of the two is not finite, or their product.
pub(super) fn product((name, factor): Argument, (of_name, of): Argument) -> Result<f64> {
    check_finite(of_name, of)?;
    check_finite(name, factor)?;
    let product = factor * of;
    let allowed = "a number whose product with the rate is finite";
    check(name, factor, product.is_finite(), allowed)?;
    Ok(product)
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
