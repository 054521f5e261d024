//! Names of `optax.schedules`. A `warmup` counts towards `steps` where optax counts it.

use std::collections::BTreeMap;

use super::parts::{constant, delayed, line_then, rest};
use crate::compose::AnySchedule;
use crate::compose::Sequence;
use crate::curve::Curve;
use crate::error::{
    Error, Result, check, check_count, check_finite, check_not_negative, check_positive,
    check_steps,
};
use crate::schedule::Schedule;
use crate::values::{Cosine, Polynomial};
use crate::values::{Exponential, PiecewiseInterpolate};

/// `warmup_constant_schedule`; without a warm-up the rate stays at `init`, as there.
///
/// # Errors
/// If a rate is not finite.
pub fn warmup_constant(init: f64, peak: f64, warmup: usize) -> Result<AnySchedule> {
    if warmup == 0 {
        return Ok(constant(("init", init))?.into());
    }
    let held = constant(("peak", peak))?;
    line_then(("init", init), ("peak", peak), warmup, held)
}

/// `warmup_cosine_decay_schedule`: `steps` is the whole run with its warm-up. With an `exponent`:
/// [`warmup_cosine_decay_with_exponent`].
///
/// # Errors
/// If a parameter is out of its range.
pub fn warmup_cosine_decay(
    init: f64,
    peak: f64,
    warmup: usize,
    steps: usize,
    end: f64,
) -> Result<AnySchedule> {
    warmup_cosine_decay_with_exponent(init, peak, warmup, steps, end, 1.0)
}

/// `warmup_cosine_decay_schedule` with an `exponent`, above 0:
/// `end + (peak - end) ((1 + cos(pi p)) / 2)^exponent` after the warm-up; with a peak of 0, whose `end` optax takes as a fraction
/// of it, 0.
///
/// ```
/// use regimen_schedules::Schedule;
/// use regimen_schedules::peers::optax::warmup_cosine_decay_with_exponent;
///
/// let rate = warmup_cosine_decay_with_exponent(0.0, 1.0, 10, 110, 0.0, 2.0)?;
/// assert_eq!([rate.at(5), rate.at(10), rate.at(60), rate.at(110)], [0.5, 1.0, 0.25, 0.0]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
///
/// # Errors
/// If a parameter is out of its range.
pub fn warmup_cosine_decay_with_exponent(
    init: f64,
    peak: f64,
    warmup: usize,
    steps: usize,
    end: f64,
    exponent: f64,
) -> Result<AnySchedule> {
    check_finite("end", end)?;
    let end = if peak == 0.0 { 0.0 } else { end };
    let cosine = Cosine::new(peak, rest("steps", steps, warmup)?)?;
    let cosine = cosine.with_end(end)?.with_exponent(exponent)?;
    line_then(("init", init), ("peak", peak), warmup, cosine)
}

/// `warmup_exponential_decay_schedule`; bounds and stairs are set on the decay, which as of an
/// [`exponential_decay`].
///
/// # Errors
/// If a rate is not finite.
pub fn warmup_exponential_decay(
    init: f64,
    peak: f64,
    warmup: usize,
    decay: impl Into<AnySchedule>,
) -> Result<AnySchedule> {
    line_then(("init", init), ("peak", peak), warmup, decay)
}

/// `exponential_decay`: `init rate^((t - begin) / steps)` from step `begin` on, in stairs or not, with a least value `end` for a
/// `rate` below 1 and a largest one otherwise. Constant where `steps` or `rate` is 0, as there.
///
/// ```
/// use regimen_schedules::Schedule;
/// use regimen_schedules::peers::optax::exponential_decay;
///
/// let rate = exponential_decay(1.0, 10, 0.5, 5, false, Some(0.2))?;
/// assert_eq!([rate.at(5), rate.at(15), rate.at(25), rate.at(99)], [1.0, 0.5, 0.25, 0.2]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
///
/// # Errors
/// If a parameter is out of its range: `init` and `end` 0 or more, `rate` 0 or more.
pub fn exponential_decay(
    init: f64,
    steps: usize,
    rate: f64,
    begin: usize,
    staircase: bool,
    end: Option<f64>,
) -> Result<AnySchedule> {
    if steps == 0 || rate == 0.0 {
        return Ok(constant(("init", init))?.into());
    }
    let named = |error: Error| error.named(&[("peak", "init"), ("bound", "end")]);
    let mut decay = Exponential::new(init, rate, steps).map_err(named)?;
    if staircase {
        decay = decay.with_staircase();
    }
    if let Some(end) = end {
        decay = decay.with_bound(end).map_err(named)?;
    }
    delayed(("init", decay.at(0)), begin, decay)
}

/// `polynomial_schedule` with a `transition_begin`. Constant where `steps` is 0, as there.
///
/// # Errors
/// If a parameter is out of its range: `init` 0 or more, `end` finite, `power` above 0.
pub fn polynomial(
    init: f64,
    end: f64,
    power: f64,
    steps: usize,
    begin: usize,
) -> Result<AnySchedule> {
    if steps == 0 {
        return Ok(constant(("init", init))?.into());
    }
    let decay = Polynomial::decay(init, end, steps, power);
    let decay = decay.map_err(|error| error.named(&[("peak", "init")]))?;
    delayed(("init", init), begin, decay)
}

/// `sgdr_schedule`: several [`warmup_cosine_decay`]s in a row, each with its own arguments
/// `(init, peak, warmup, steps, end)`.
///
/// # Errors
/// If there is none, or a parameter is out of its range.
pub fn sgdr(cycles: &[(f64, f64, usize, usize, f64)]) -> Result<AnySchedule> {
    check_count("cycles", cycles.len())?;
    let mut boundaries = Vec::new();
    let mut parts = Vec::new();
    let mut total: usize = 0;
    for (init, peak, warmup, steps, end) in cycles.iter().copied() {
        parts.push(warmup_cosine_decay(init, peak, warmup, steps, end)?);
        total = steps.saturating_add(total);
        boundaries.push(total);
    }
    boundaries.pop();
    // The ends of cycles rise, but where their sum can't be counted.
    let names = [("boundaries", "steps")];
    let cycles = Sequence::new(parts, boundaries).map_err(|error| error.named(&names))?;
    Ok(cycles.into())
}

/// `cosine_onecycle_schedule`: the peak lies at the step `pct steps`, rounded down, which may be step 0. Its defaults
/// are 0.3, 25 and 1e4.
///
/// # Errors
/// If a parameter is out of its range: `steps` 1 or more, `pct` 0 or more, `div` and `final_div` above 0.
pub fn cosine_onecycle(
    steps: usize,
    peak: f64,
    pct: f64,
    div: f64,
    final_div: f64,
) -> Result<AnySchedule> {
    let rise = place("pct", pct, steps)?;
    let start = start(peak, div, final_div)?;
    let end = inverse("final_div", final_div, div * final_div)?;
    onecycle(peak, start, &[(rise, div), (steps, end)], Curve::Cosine)
}

/// `linear_onecycle_schedule`: up to the fraction `pct.0`, back to the start at `pct.1`, then down
/// to the end. Its defaults are 0.3 and 0.85, 25 and 1e4.
///
/// # Errors
/// As [`cosine_onecycle`].
pub fn linear_onecycle(
    steps: usize,
    peak: f64,
    pct: (f64, f64),
    div: f64,
    final_div: f64,
) -> Result<AnySchedule> {
    let (rise, fall) = (place("pct.0", pct.0, steps)?, place("pct.1", pct.1, steps)?);
    let start = start(peak, div, final_div)?;
    let back = inverse("div", div, div)?;
    let end = inverse("final_div", final_div, final_div)?;
    let factors = [(rise, div), (fall, back), (steps, end)];
    onecycle(peak, start, &factors, Curve::Linear)
}

/// The step at a fraction of a run, rounded down.
fn place(field: &'static str, fraction: f64, steps: usize) -> Result<usize> {
    check_steps(steps)?;
    check_not_negative(field, fraction)?;
    Ok((fraction * steps as f64) as usize)
}

/// The start of a onecycle, `peak / div`.
fn start(peak: f64, div: f64, final_div: f64) -> Result<f64> {
    check_finite("peak", peak)?;
    check_positive("div", div)?;
    check_positive("final_div", final_div)?;
    let start = peak / div;
    let allowed = "so large that `peak / div` is finite";
    check("div", div, start.is_finite(), allowed)?;
    Ok(start)
}

/// The inverse of a divisor, refused in the name of the argument.
fn inverse(name: &'static str, argument: f64, divisor: f64) -> Result<f64> {
    let inverse = 1.0 / divisor;
    let allowed = "so large that its inverse is finite";
    check(name, argument, inverse.is_finite(), allowed)?;
    Ok(inverse)
}

/// Through the factors, of which optax keeps the last where several fall on one step.
fn onecycle(peak: f64, start: f64, factors: &[(usize, f64)], curve: Curve) -> Result<AnySchedule> {
    let by_step: BTreeMap<usize, f64> = factors.iter().copied().collect();
    let factors: Vec<_> = by_step.into_iter().collect();
    let points = PiecewiseInterpolate::from_factors(start, &factors, curve);
    let allowed = "a number whose products with the factors are finite";
    check("peak", peak, points.is_ok(), allowed)?;
    Ok(points?.into())
}
