//! Names of `optax.schedules`. A `warmup` counts towards `steps` where optax counts it.

use std::collections::BTreeMap;

use super::parts::{delayed, line_then, rest};
use crate::compose::AnySchedule;
use crate::compose::Sequence;
use crate::curve::Curve;
use crate::error::{Result, check_finite, check_not_negative, check_positive, check_steps};
use crate::schedule::Schedule;
use crate::values::{Constant, Cosine, Polynomial};
use crate::values::{Exponential, PiecewiseInterpolate};

/// `warmup_constant_schedule`; without a warm-up the rate stays at `init`, as there.
///
/// # Errors
/// If a rate is not finite.
pub fn warmup_constant(init: f64, peak: f64, warmup: usize) -> Result<AnySchedule> {
    if warmup == 0 {
        return Ok(Constant::new(init)?.into());
    }
    line_then(init, peak, warmup, Constant::new(peak)?)
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
    line_then(init, peak, warmup, cosine)
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
    line_then(init, peak, warmup, decay)
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
        return Ok(Constant::new(init)?.into());
    }
    let mut decay = Exponential::new(init, rate, steps)?;
    if staircase {
        decay = decay.with_staircase();
    }
    if let Some(end) = end {
        decay = decay.with_bound(end)?;
    }
    delayed(decay.at(0), begin, decay)
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
        return Ok(Constant::new(init)?.into());
    }
    delayed(init, begin, Polynomial::decay(init, end, steps, power)?)
}

/// `sgdr_schedule`: several [`warmup_cosine_decay`]s in a row, each with its own arguments
/// `(init, peak, warmup, steps, end)`.
///
/// # Errors
/// If there is none, or a parameter is out of its range.
pub fn sgdr(cycles: &[(f64, f64, usize, usize, f64)]) -> Result<AnySchedule> {
    let mut boundaries = Vec::new();
    let mut parts = Vec::new();
    let mut total: usize = 0;
    for (init, peak, warmup, steps, end) in cycles.iter().copied() {
        parts.push(warmup_cosine_decay(init, peak, warmup, steps, end)?);
        total = steps.saturating_add(total);
        boundaries.push(total);
    }
    boundaries.pop();
    Ok(Sequence::new(parts, boundaries)?.into())
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
    let factors = [(rise, div), (steps, 1.0 / (div * final_div))];
    onecycle(peak, (div, final_div), &factors, Curve::Cosine)
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
    let factors = [
        (place("pct.0", pct.0, steps)?, div),
        (place("pct.1", pct.1, steps)?, 1.0 / div),
        (steps, 1.0 / final_div),
    ];
    onecycle(peak, (div, final_div), &factors, Curve::Linear)
}

/// The step at a fraction of a run, rounded down.
fn place(field: &'static str, fraction: f64, steps: usize) -> Result<usize> {
    check_steps(steps)?;
    check_not_negative(field, fraction)?;
    Ok((fraction * steps as f64) as usize)
}

/// Through the factors, of which optax keeps the last where several fall on one step.
fn onecycle(
    peak: f64,
    (div, final_div): (f64, f64),
    factors: &[(usize, f64)],
    curve: Curve,
) -> Result<AnySchedule> {
    check_positive("div", div)?;
    check_positive("final_div", final_div)?;
    let by_step: BTreeMap<usize, f64> = factors.iter().copied().collect();
    let factors: Vec<_> = by_step.into_iter().collect();
    Ok(PiecewiseInterpolate::from_factors(peak / div, &factors, curve)?.into())
}
