use thiserror::Error;

/// What can be wrong with a parameter or an input.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RlRewardsError {
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
    /// A state is of other settings than those that are to go on with it.
    #[error("the saved state has another `{field}` than the one that it is loaded into")]
    OtherSettings {
        /// What differs.
        field: &'static str,
    },
    /// Logits from which nothing can be drawn.
    #[error(
        "row {row} of the logits holds no distribution: a NaN or plus infinity is among them, or nothing but minus infinity"
    )]
    NoDistribution {
        /// The first such row.
        row: usize,
    },
    /// A number that training must not go on with.
    #[error("the {what} is not finite: leave this step out")]
    NotFinite {
        /// What it is.
        what: &'static str,
    },
    /// The device could not return a tensor's values.
    #[error("reading log-probabilities from the device: {0}")]
    Read(String),
}

/// A result with an [`RlRewardsError`].
pub type Result<T, E = RlRewardsError> = std::result::Result<T, E>;

/// Refuses a state of other settings.
pub(crate) fn check_same(field: &'static str, same: bool) -> Result<()> {
    same.then_some(())
        .ok_or(RlRewardsError::OtherSettings { field })
}

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
    Err(RlRewardsError::OutOfRange {
        field,
        value: value.to_string(),
        allowed,
    })
}
