//! Names of `keras.optimizers.schedules`.

use super::parts::{line_then, product};
use crate::compose::AnySchedule;
use crate::compose::Scaled;
use crate::compose::{Combined, Reduction};
use crate::error::{Error, Result, check};
use crate::values::{Boundary, PiecewiseConstant, WarmRestarts};
use crate::values::{Constant, Cosine};

/// `PiecewiseConstantDecay`: a boundary's own step keeps the old value.
///
/// # Errors
/// If the lengths do not fit, the boundaries do not rise, or a value is not finite.
pub fn piecewise_constant(boundaries: Vec<usize>, values: Vec<f64>) -> Result<AnySchedule> {
    let levels = PiecewiseConstant::new(boundaries, values)?;
    Ok(levels.with_boundary(Boundary::Previous).into())
}

/// `CosineDecay` with a `warmup_target`: a line from `init` to `target`, then the cosine from
/// `target` to `alpha target` over `steps`, which do not count the warm-up.
///
/// # Errors
/// If a parameter is out of its range.
pub fn cosine_decay(
    init: f64,
    target: f64,
    warmup: usize,
    steps: usize,
    alpha: f64,
) -> Result<AnySchedule> {
    let named = |error: Error| error.named(&[("peak", "target")]);
    let cosine = Cosine::new(target, steps).map_err(named)?;
    let end = product(("alpha", alpha), ("target", target))?;
    let cosine = cosine.with_end(end)?;
    line_then(("init", init), ("target", target), warmup, cosine)
}

/// `CosineDecayRestarts`: `rate ((1 - alpha) m_mul^n half + alpha)`, so that the floor does not
/// shrink with the cycles. Keras' defaults are 2, 1 and 0.
///
/// # Errors
/// If a parameter is out of its range.
pub fn cosine_decay_restarts(
    rate: f64,
    first: usize,
    t_mul: f64,
    m_mul: f64,
    alpha: f64,
) -> Result<AnySchedule> {
    check("alpha", alpha, (0.0..=1.0).contains(&alpha), "0 to 1")?;
    let names = [("peak", "rate"), ("mult", "t_mul"), ("decay", "m_mul")];
    let cycles = WarmRestarts::new(rate, first)
        .and_then(|cycles| cycles.with_growth(t_mul)?.with_decay(m_mul))
        .map_err(|error| error.named(&names))?;
    if alpha == 0.0 {
        return Ok(cycles.into());
    }
    let moving = Scaled::new(AnySchedule::boxed(cycles), 1.0 - alpha)?;
    let parts = vec![
        AnySchedule::from(moving),
        Constant::new(rate * alpha)?.into(),
    ];
    Ok(Combined::new(parts, Reduction::Sum)?.into())
}
