//! # Lambda, Table
//!
//! Any function of the step, and any sequence of values.
//!
//! Source: torch's `LambdaLR` and `MultiplicativeLR`; optax takes any function as a schedule.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Error, MOST_VALUES, Result, check, check_most, check_steps, check_values};
use crate::schedule::Schedule;

/// A function of the step as a schedule.
///
/// It composes and trains as every schedule does, and may call others: so a function of your own scales a [`Cyclic`](super::Cyclic) or
/// decays a [`Wsd`](super::Wsd), as [`peers`](crate::peers) shows. It can't be saved: a [`Table`] of its values can.
///
/// ```
/// use regimen_schedules::{Lambda, Schedule, ScheduleExt, Table};
///
/// let rate = Lambda(|step: usize| 0.1 / (1.0 + step as f64));
/// assert_eq!(rate.at(1), 0.05);
/// assert_eq!(Table::new(rate.table(100)?)?.at(1), 0.05);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[doc(alias = "LambdaLR")]
#[derive(Clone, Copy, Debug)]
pub struct Lambda<F>(
    /// The function.
    pub F,
);

impl<F: Fn(usize) -> f64> Schedule for Lambda<F> {
    fn at(&self, step: usize) -> f64 {
        (self.0)(step)
    }
}

/// One value a step; the last one holds.
#[doc(alias = "MultiplicativeLR")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Table {
    values: Vec<f64>,
}
checked_serde!(Table);

impl Table {
    /// One value or more, all finite.
    ///
    /// # Errors
    /// If there is none, or one is not finite.
    pub fn new(values: Vec<f64>) -> Result<Self> {
        Self { values }.checked()
    }

    /// `first` at step 0, then the value before times `factor(t)` at step `t`, for `steps` steps, 1 to `2^27`.
    ///
    /// # Errors
    /// If `steps` is out of its range or a value is not finite.
    pub fn multiplicative(first: f64, steps: usize, factor: impl Fn(usize) -> f64) -> Result<Self> {
        check_steps(steps)?;
        check_most("steps", steps, MOST_VALUES)?;
        let mut value = first;
        let values = (0..steps).map(|step| {
            if step > 0 {
                value *= factor(step);
            }
            value
        });
        Self::new(values.collect())
    }
}

impl Checked for Table {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let count = self.values.len();
        check("values", count as f64, count > 0, "one or more")?;
        check_values(&self.values)
    }
}

impl Schedule for Table {
    fn at(&self, step: usize) -> f64 {
        self.values[step.min(self.values.len() - 1)]
    }
}
