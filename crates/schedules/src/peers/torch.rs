//! Names of `torch.optim.lr_scheduler`.

use super::parts::delayed;
use crate::compose::AnySchedule;
use crate::error::Result;
use crate::values::{Constant, Linear};

/// `ConstantLR`: `rate factor` for some steps, then `rate`. torch's defaults are a third and 5.
///
/// # Errors
/// If a number is not finite.
pub fn constant_lr(rate: f64, factor: f64, steps: usize) -> Result<AnySchedule> {
    delayed(rate * factor, steps, Constant::new(rate)?)
}

/// `LinearLR`: from `rate start` to `rate end` over some steps, 1 or more. torch's defaults are a
/// third, 1 and 5.
///
/// # Errors
/// If a number is out of its range.
pub fn linear_lr(rate: f64, start: f64, end: f64, steps: usize) -> Result<AnySchedule> {
    Ok(Linear::between(rate * start, rate * end, steps)?.into())
}
