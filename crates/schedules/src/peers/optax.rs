//! Names of `optax.schedules`. A `warmup` counts towards `steps` where optax counts it.

use super::parts::{delayed, line_then, rest};
use crate::compose::AnySchedule;
use crate::compose::Sequence;
use crate::curve::Curve;
use crate::error::Result;
use crate::schedule::Schedule;
use crate::values::{Constant, Cosine, Polynomial};
use crate::values::{Exponential, PiecewiseInterpolate};

/// `warmup_constant_schedule`.
///
/// # Errors
/// If a rate is not finite.
pub fn warmup_constant(init: f64, peak: f64, warmup: usize) -> Result<AnySchedule> {
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
/// `end + (peak - end) ((1 + cos(pi p)) / 2)^exponent` after the warm-up.
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
    let cosine = Cosine::new(peak, rest("steps", steps, warmup)?)?;
    let cosine = cosine.with_end(end)?.with_exponent(exponent)?;
    line_then(init, peak, warmup, cosine)
}

/// `warmup_exponential_decay_schedule`; bounds and stairs are set on the decay, which with a
/// `transition_begin` is [`exponential_decay`].
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

/// `exponential_decay` with a `transition_begin`: the decay's first value until step `begin`.
/// Bounds and stairs are set on the decay.
///
/// # Errors
/// If a parameter is out of its range.
pub fn exponential_decay(begin: usize, decay: Exponential) -> Result<AnySchedule> {
    delayed(decay.at(0), begin, decay)
}

/// `polynomial_schedule` with a `transition_begin`.
///
/// # Errors
/// If a parameter is out of its range.
pub fn polynomial(
    init: f64,
    end: f64,
    power: f64,
    steps: usize,
    begin: usize,
) -> Result<AnySchedule> {
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

/// `cosine_onecycle_schedule`: the peak lies at the step `pct steps`, rounded down. Its defaults
/// are 0.3, 25 and 1e4.
///
/// # Errors
/// If a parameter is out of its range.
pub fn cosine_onecycle(
    steps: usize,
    peak: f64,
    pct: f64,
    div: f64,
    final_div: f64,
) -> Result<AnySchedule> {
    let rise = (pct * steps as f64) as usize;
    let factors = [(rise, div), (steps, 1.0 / (div * final_div))];
    Ok(PiecewiseInterpolate::from_factors(peak / div, &factors, Curve::Cosine)?.into())
}

/// `linear_onecycle_schedule`: up to the fraction `pct.0`, back to the start at `pct.1`, then down
/// to the end. Its defaults are 0.3 and 0.85, 25 and 1e4.
///
/// # Errors
/// If a parameter is out of its range.
pub fn linear_onecycle(
    steps: usize,
    peak: f64,
    pct: (f64, f64),
    div: f64,
    final_div: f64,
) -> Result<AnySchedule> {
    let step = |fraction: f64| (fraction * steps as f64) as usize;
    let factors = [
        (step(pct.0), div),
        (step(pct.1), 1.0 / div),
        (steps, 1.0 / final_div),
    ];
    Ok(PiecewiseInterpolate::from_factors(peak / div, &factors, Curve::Linear)?.into())
}
