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
    /// More values than a computation takes: nothing was allocated for them.
    #[error("`{field}` asks for {found} values: allowed are {most} or fewer")]
    TooMany {
        /// Name of the input.
        field: &'static str,
        /// How many there would be.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A law that predicts the values that it was fitted to no better than one constant does: they rise, stay or only fluctuate.
    #[error(
        "the law can't represent `{field}`: it explains {explained} of what a constant leaves, and 0.001 is needed; losses must fall"
    )]
    NotRepresented {
        /// Name of the input.
        field: &'static str,
        /// The share that it explains: see `Quality::explained` (feature `forecast`).
        explained: f64,
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
    /// A state is of a configuration that differs from the one that is to go on with it.
    #[error(
        "the saved state has another `{field}` than the one that it is loaded into: {found}, where this has {expected}"
    )]
    OtherConfiguration {
        /// What differs.
        field: &'static str,
        /// What was saved.
        found: String,
        /// What this one has.
        expected: String,
    },
    /// A picture could not be drawn or written.
    #[error("the picture could not be made: {0}")]
    Picture(String),
}

impl Error {
    /// The same error in the name of the argument that a caller typed: pairs of a part's own field and that argument.
    pub(crate) fn named(mut self, names: &[(&str, &'static str)]) -> Self {
        if let Self::OutOfRange { field, .. }
        | Self::TooFew { field, .. }
        | Self::TooMany { field, .. } = &mut self
            && let Some((_, name)) = names.iter().find(|(own, _)| own == field)
        {
            *field = name;
        }
        self
    }
}

/// A result with an [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

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

/// The most values of one table, log or sequence that is made here: a gibibyte of numbers.
pub(crate) const MOST_VALUES: usize = 1 << 27;

/// Refuses more values than a sequence takes, before there is memory for them.
pub(crate) fn check_most(field: &'static str, found: usize, most: usize) -> Result<()> {
    if found <= most {
        return Ok(());
    }
    Err(Error::TooMany { field, found, most })
}

/// Refuses a result that overflowed, in the name of the input that did it.
pub(crate) fn finite_result(field: &'static str, result: f64, value: f64) -> Result<f64> {
    check(
        field,
        value,
        result.is_finite(),
        "a value whose result is finite",
    )?;
    Ok(result)
}

/// Refuses a state whose configuration differs.
pub(crate) fn check_same<T: PartialEq + std::fmt::Debug>(
    field: &'static str,
    found: &T,
    expected: &T,
) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::OtherConfiguration {
        field,
        found: format!("{found:?}"),
        expected: format!("{expected:?}"),
    })
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
    let pair = steps.windows(2).find(|pair| !good(&pair[0], &pair[1]));
    let value = pair.map_or_else(String::new, |pair| format!("{} after {}", pair[1], pair[0]));
    Err(Error::OutOfRange {
        field,
        value,
        allowed: "steps in rising order",
    })
}
