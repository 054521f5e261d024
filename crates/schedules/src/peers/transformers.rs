//! Names of `transformers.optimization`: a linear warm-up from 0 over `warmup` steps, then a
//! decay that ends at `steps`, the length of the whole run.
//!
//! A warm-up may be as long as the run, or longer: then its updates have the rates of the warm-up's first part, as there.

use super::parts::{Argument, constant, delayed, line_then, product, rest_or_one};
use crate::compose::AnySchedule;
use crate::compose::{Sequence, Skipped};
use crate::curve::{Curve, Rise};
use crate::error::{Error, Result, check, check_not_negative};
use crate::values::Between;
use crate::values::{Constant, Cosine, InverseSqrt, Linear, Polynomial};
use crate::values::{HardRestarts, Wsd};

/// The rise from 0 to the rate, then a schedule from its own step 0.
fn rise_then(rate: f64, warmup: usize, next: impl Into<AnySchedule>) -> Result<AnySchedule> {
    let start: Argument = ("rate", 0.0);
    line_then(start, ("rate", rate), warmup, next)
}

/// An error about the peak is one about the rate.
fn by_rate(error: Error) -> Error {
    error.named(&[("peak", "rate")])
}

/// `get_constant_schedule_with_warmup`.
///
/// # Errors
/// If the rate is not finite.
pub fn constant_with_warmup(rate: f64, warmup: usize) -> Result<AnySchedule> {
    rise_then(rate, warmup, constant(("rate", rate))?)
}

/// `get_linear_schedule_with_warmup`.
///
/// ```
/// use regimen_schedules::Schedule;
/// use regimen_schedules::peers::transformers::linear_with_warmup;
///
/// let rate = linear_with_warmup(1.0, 10, 100)?;
/// assert_eq!([rate.at(0), rate.at(5), rate.at(10), rate.at(100)], [0.0, 0.5, 1.0, 0.0]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
///
/// # Errors
/// If a parameter is out of its range.
pub fn linear_with_warmup(rate: f64, warmup: usize, steps: usize) -> Result<AnySchedule> {
    if steps <= warmup {
        check_not_negative("rate", rate)?;
        return rise_then(rate, warmup, Constant::new(0.0)?);
    }
    let decay = Linear::new(rate, steps - warmup).map_err(by_rate)?;
    rise_then(rate, warmup, decay)
}

/// `get_cosine_schedule_with_warmup` with half a cycle, the default; `end` is 0, or the rate that
/// `get_cosine_with_min_lr_schedule_with_warmup` calls `min_lr`. Other numbers of cycles:
/// [`cosine_with_cycles`].
///
/// # Errors
/// If a parameter is out of its range.
pub fn cosine_with_warmup(rate: f64, warmup: usize, steps: usize, end: f64) -> Result<AnySchedule> {
    check_not_negative("end", end)?;
    let cosine = Cosine::new(rate, rest_or_one(steps, warmup)).map_err(by_rate)?;
    rise_then(rate, warmup, cosine.with_end(end)?)
}

/// `get_cosine_schedule_with_warmup` and `get_cosine_with_min_lr_schedule_with_warmup` with any
/// `num_cycles` above 0: `end + (rate - end) (1 + cos(2 pi cycles p)) / 2`, and after `steps` the
/// value that it has there.
///
/// # Errors
/// If a parameter is out of its range.
pub fn cosine_with_cycles(
    rate: f64,
    warmup: usize,
    steps: usize,
    end: f64,
    cycles: f64,
) -> Result<AnySchedule> {
    let waves = waves(rate, rest_or_one(steps, warmup), end, cycles)?;
    rise_then(rate, warmup, waves)
}

/// Waves of a cosine over `steps`, and the value there for ever.
fn waves(rate: f64, steps: usize, end: f64, cycles: f64) -> Result<AnySchedule> {
    check_not_negative("rate", rate)?;
    check_not_negative("end", end)?;
    let curve = Curve::Waves { cycles };
    let wave = Between::new(rate, end, 0, steps, curve)?;
    let last = Constant::new(curve.between(rate, end, 1.0))?;
    let parts = vec![AnySchedule::from(wave), last.into()];
    Ok(Sequence::new(parts, vec![steps])?.into())
}

/// `get_cosine_with_hard_restarts_schedule_with_warmup`.
///
/// # Errors
/// If a parameter is out of its range.
pub fn cosine_with_hard_restarts(
    rate: f64,
    warmup: usize,
    steps: usize,
    cycles: usize,
) -> Result<AnySchedule> {
    let cosine = HardRestarts::new(rate, cycles, rest_or_one(steps, warmup)).map_err(by_rate)?;
    rise_then(rate, warmup, cosine)
}

/// `get_polynomial_decay_schedule_with_warmup`; its defaults are `end` 1e-7 and `power` 1.
///
/// # Errors
/// If a parameter is out of its range, or `end` is not below `rate`.
pub fn polynomial_with_warmup(
    rate: f64,
    warmup: usize,
    steps: usize,
    end: f64,
    power: f64,
) -> Result<AnySchedule> {
    check_not_negative("rate", rate)?;
    check("end", end, end < rate, "below `rate`")?;
    if steps <= warmup {
        // No step of the decay is left.
        return rise_then(rate, warmup, constant(("end", end))?);
    }
    let decay = Polynomial::decay(rate, end, steps - warmup, power)?;
    rise_then(rate, warmup, decay)
}

/// `get_inverse_sqrt_schedule`; the time scale is the warm-up's length, or 10 000 without one, unless given.
///
/// # Errors
/// If a parameter is out of its range.
pub fn inverse_sqrt(rate: f64, warmup: usize, timescale: Option<usize>) -> Result<AnySchedule> {
    let default = if warmup == 0 { 10_000 } else { warmup };
    let decay = InverseSqrt::new(rate, timescale.unwrap_or(default) as f64);
    let names = [("peak", "rate"), ("scale", "timescale")];
    rise_then(rate, warmup, decay.map_err(|error| error.named(&names))?)
}

/// `get_cosine_with_min_lr_schedule_with_warmup_lr_rate`: no step at 0.
///
/// Without a start, the warm-up is `rate (t + 1) / warmup`; with one it is a line from
/// `rate start` at step 0 to `rate` at step `warmup - 1`. The cosine is one step ahead: at its
/// first step, `warmup`, it has moved already, and it reaches `end` at step `steps - 1`. The number
/// of cycles is the default, half a one; others: [`cosine_warmup_with_min_lr_and_cycles`].
///
/// # Errors
/// If a parameter is out of its range.
#[doc(alias = "get_cosine_with_min_lr_schedule_with_warmup_lr_rate")]
pub fn cosine_warmup_with_min_lr(
    rate: f64,
    warmup: usize,
    steps: usize,
    end: f64,
    start: Option<f64>,
) -> Result<AnySchedule> {
    check_not_negative("end", end)?;
    let cosine = Cosine::new(rate, rest_or_one(steps, warmup)).map_err(by_rate)?;
    ahead_of_rise(rate, warmup, start, cosine.with_end(end)?)
}

/// [`cosine_warmup_with_min_lr`] with any `num_cycles` above 0: from step `steps - 1` on, the value
/// that it has there.
///
/// ```
/// use regimen_schedules::Schedule;
/// use regimen_schedules::peers::transformers::cosine_warmup_with_min_lr_and_cycles;
///
/// let rate = cosine_warmup_with_min_lr_and_cycles(1.0, 10, 100, 0.1, None, 1.5)?;
/// let near = |value: f64, expected: f64| (value - expected).abs() < 1e-12;
/// assert!(near(rate.at(0), 0.1) && near(rate.at(39), 0.1) && near(rate.at(69), 1.0));
/// assert!(near(rate.at(99), 0.1) && near(rate.at(500), 0.1));
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
///
/// # Errors
/// If a parameter is out of its range.
pub fn cosine_warmup_with_min_lr_and_cycles(
    rate: f64,
    warmup: usize,
    steps: usize,
    end: f64,
    start: Option<f64>,
    cycles: f64,
) -> Result<AnySchedule> {
    let waves = waves(rate, rest_or_one(steps, warmup), end, cycles)?;
    ahead_of_rise(rate, warmup, start, waves)
}

/// A warm-up that gives no step at 0, then a decay without its first step.
fn ahead_of_rise(
    rate: f64,
    warmup: usize,
    start: Option<f64>,
    decay: impl Into<AnySchedule>,
) -> Result<AnySchedule> {
    let ahead = Skipped::new(AnySchedule::boxed(decay), 1)?;
    let start = start.unwrap_or(1.0 / warmup.max(1) as f64);
    let first = ("start", product(("start", start), ("rate", rate))?);
    if warmup < 2 {
        return delayed(first, warmup, ahead);
    }
    let rise = Linear::between(first.1, rate, warmup - 1)?;
    let parts = vec![AnySchedule::from(rise), ahead.into()];
    Ok(Sequence::new(parts, vec![warmup])?.into())
}

/// `get_wsd_schedule`: the warm-up starts at `end` too. Its defaults are a linear rise and a
/// cosine decay; another number of cycles than half a one is [`Curve::Waves`].
///
/// # Errors
/// If a parameter is out of its range.
pub fn wsd(
    rate: f64,
    (warmup, stable, decay): (usize, usize, usize),
    end: f64,
    rise: Rise,
    curve: Curve,
) -> Result<AnySchedule> {
    check_not_negative("end", end)?;
    let wsd = Wsd::new(rate, warmup, stable, decay).map_err(by_rate)?;
    let wsd = wsd.with_rise(rise);
    Ok(wsd
        .with_start(end)?
        .with_end(end)?
        .with_curve(curve)?
        .into())
}
