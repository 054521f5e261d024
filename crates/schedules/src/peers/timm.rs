//! Names of `timm.scheduler`.

use crate::compose::AnySchedule;
use crate::compose::{Warmup, WarmupClock};
use crate::curve::Curve;
use crate::error::{Result, check, check_finite};
use crate::values::{MultiStep, Stable, WarmRestarts, Wsd};

/// The warm-up of `CosineLRScheduler`, `PolyLRScheduler`, `StepLRScheduler` and
/// `MultiStepLRScheduler`: a line from `init` to the schedule's first value, before the schedule
/// with `prefix` (timm's default for steps), over its first steps without (its default for cosine
/// and polynomial).
///
/// # Errors
/// If `init` is not finite.
pub fn warmed_up(
    schedule: impl Into<AnySchedule>,
    warmup: usize,
    init: f64,
    prefix: bool,
) -> Result<AnySchedule> {
    let clock = if prefix {
        WarmupClock::Waits
    } else {
        WarmupClock::Runs
    };
    with_clock(schedule.into(), warmup, init, clock)
}

fn with_clock(
    schedule: AnySchedule,
    warmup: usize,
    init: f64,
    clock: WarmupClock,
) -> Result<AnySchedule> {
    if warmup == 0 {
        return Ok(schedule);
    }
    let rise = Warmup::new(warmup, Box::new(schedule))
        .map_err(|error| error.named(&[("steps", "warmup")]))?;
    let rise = rise
        .starting_at(init)
        .map_err(|error| error.named(&[("from", "init")]))?;
    Ok(rise.with_clock(clock).into())
}

/// `TanhLRScheduler`, whose warm-up aims at the curve without `prefix`. timm's bounds are -7 and
/// 3.
///
/// # Errors
/// If a parameter is out of its range.
pub fn tanh(
    cycles: WarmRestarts,
    (lower, upper): (f64, f64),
    warmup: usize,
    init: f64,
    prefix: bool,
) -> Result<AnySchedule> {
    check_finite("lower", lower)?;
    check("upper", upper, upper > lower, "above `lower`")?;
    let curve = Curve::Tanh {
        from: lower,
        to: upper,
    };
    let clock = if prefix {
        WarmupClock::Waits
    } else {
        WarmupClock::RunsContinuously
    };
    with_clock(cycles.with_curve(curve)?.into(), warmup, init, clock)
}

/// `PolyLRScheduler`: cycles of a polynomial; timm's default power is 0.5.
///
/// # Errors
/// If the power is not above 0.
pub fn poly(cycles: WarmRestarts, power: f64) -> Result<WarmRestarts> {
    cycles.with_curve(Curve::Polynomial { power })
}

/// `MultiStepLRScheduler`: each milestone takes effect one step early.
///
/// # Errors
/// If a parameter is out of its range.
pub fn multi_step(rate: f64, gamma: f64, milestones: &[usize]) -> Result<MultiStep> {
    let early = milestones
        .iter()
        .map(|milestone| milestone.saturating_sub(1));
    let steps = MultiStep::new(rate, gamma, early.collect());
    steps.map_err(|error| error.named(&[("peak", "rate")]))
}

/// `WSDLRScheduler`: `steps` are the stable phase and the decay; the warm-up from `init` comes
/// before. timm's default curve is `1 - sqrt(p)`.
///
/// # Errors
/// If a parameter is out of its range, such as a `decay` longer than `steps`.
pub fn wsd(
    rate: f64,
    (warmup, init): (usize, f64),
    (steps, decay): (usize, usize),
    stable: Stable,
    curve: Curve,
    end: f64,
) -> Result<Wsd> {
    check("decay", decay as f64, decay <= steps, "`steps` or fewer")?;
    let held = steps - decay;
    let names = [("peak", "rate"), ("start", "init")];
    let wsd = Wsd::new(rate, warmup, held, decay).and_then(|wsd| wsd.with_start(init));
    let wsd = wsd.map_err(|error| error.named(&names))?;
    wsd.with_stable(stable)?.with_curve(curve)?.with_end(end)
}
