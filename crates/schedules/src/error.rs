use thiserror::Error;

/// What can be wrong with a schedule's parameters or its inputs.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter lies outside its range.
    #[error("`{field}` is {value}: allowed is {allowed}")]
    OutOfRange {
        /// Name of the parameter.
        field: &'static str,
        /// The value that was given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Fewer values than a computation needs.
    #[error("`{field}` holds {found} values: at least {needed} are needed")]
    TooFew {
        /// Name of the input.
        field: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        needed: usize,
    },
    /// The optimiser of the numerical variant stopped without a result.
    #[error("the weights could not be optimised: {0}")]
    NotOptimised(String),
    /// A learning curve has not reached the level from which its predictions are trusted.
    #[error("no prediction yet: the {level} accuracies so far do not settle the curve")]
    NotYet {
        /// How many accuracies were observed.
        level: usize,
    },
    /// A record is of a run that had other rates than the schedule that is to go on with it, such as one of another length.
    #[error(
        "the recorded run had the rate {recorded} at step {step}, where this schedule has {found}: go on with the run's own \
         schedule, or allow another with `with_any_past`"
    )]
    OtherSchedule {
        /// The step.
        step: usize,
        /// The rate that the recorded run had there.
        recorded: f64,
        /// The rate of the schedule.
        found: f64,
    },
    /// A picture could not be drawn or written.
    #[error("the picture could not be made: {0}")]
    Picture(String),
}

/// A result with an [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Refuses a number that is not finite, or outside of what `allowed` says.
pub(crate) fn check(
    field: &'static str,
    value: f64,
    good: bool,
    allowed: &'static str,
) -> Result<()> {
    if good && value.is_finite() {
        return Ok(());
    }
    Err(Error::OutOfRange {
        field,
        value: value.to_string(),
        allowed,
    })
}

/// Refuses a number below 0.
pub(crate) fn check_not_negative(field: &'static str, value: f64) -> Result<()> {
    check(field, value, value >= 0.0, "0 or more")
}

/// Refuses 0 and a number below.
pub(crate) fn check_positive(field: &'static str, value: f64) -> Result<()> {
    check(field, value, value > 0.0, "above 0")
}

/// Refuses a number that is not finite.
pub(crate) fn check_finite(field: &'static str, value: f64) -> Result<()> {
    check(field, value, true, "a finite number")
}

/// Refuses a count of 0.
pub(crate) fn check_count(field: &'static str, count: usize) -> Result<()> {
    check(field, count as f64, count > 0, "1 or more")
}

/// Refuses a number of steps of 0.
pub(crate) fn check_steps(steps: usize) -> Result<()> {
    check_count("steps", steps)
}

/// Refuses values of which one is not finite.
pub(crate) fn check_values(values: &[f64]) -> Result<()> {
    let finite = |value: &f64| check("values", *value, true, "finite numbers");
    values.iter().try_for_each(finite)
}

/// Refuses steps of which two neighbours are not in order.
pub(crate) fn check_order(
    field: &'static str,
    steps: &[usize],
    good: fn(&usize, &usize) -> bool,
) -> Result<()> {
    if steps.is_sorted_by(good) {
        return Ok(());
    }
    let value = format!("{steps:?}");
    Err(Error::OutOfRange {
        field,
        value,
        allowed: "steps in rising order",
    })
}
