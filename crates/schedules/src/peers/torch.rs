//! Names of `torch.optim.lr_scheduler`.

use super::parts::{constant, delayed};
use crate::compose::AnySchedule;
use crate::error::{Result, check, check_finite};
use crate::values::Linear;

/// `ConstantLR`: `rate factor` for some steps, then `rate`. torch's defaults are a third and 5.
///
/// # Errors
/// If the rate is not finite, or the factor is not from 0 to 1, as there.
pub fn constant_lr(rate: f64, factor: f64, steps: usize) -> Result<AnySchedule> {
    check("factor", factor, (0.0..=1.0).contains(&factor), "0 to 1")?;
    let rate_then = constant(("rate", rate))?;
    delayed(("rate", rate * factor), steps, rate_then)
}

/// `LinearLR`: from `rate start` to `rate end` over some steps, 1 or more. torch's defaults are a
/// third, 1 and 5.
///
/// # Errors
/// If the rate is not finite, `start` is not above 0 and up to 1, `end` is not from 0 to 1, as there, or `steps` is 0.
pub fn linear_lr(rate: f64, start: f64, end: f64, steps: usize) -> Result<AnySchedule> {
    check_finite("rate", rate)?;
    let good = start > 0.0 && start <= 1.0;
    check("start", start, good, "above 0 and up to 1")?;
    check("end", end, (0.0..=1.0).contains(&end), "0 to 1")?;
    Ok(Linear::between(rate * start, rate * end, steps)?.into())
}
