//! What can go wrong.

use regimen_tensor::TensorError;
use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ContinualError {
    /// A value outside of what is allowed.
    #[error("`{field}` is {value}: allowed is {allowed}")]
    OutOfRange {
        /// The field or argument.
        field: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: String,
    },
    /// Two things that belong together differ in size, shape or kind.
    #[error("{what}: {found} where {expected} was expected")]
    Mismatch {
        /// What differs.
        what: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Something that must not be empty is.
    #[error("{0} is empty: at least one is needed")]
    Empty(&'static str),
    /// A gradient that is not finite: the step is left out.
    #[error(
        "step {step}: the gradient of `{path}` is NaN or infinite: the step is left out, weights and state stay"
    )]
    Gradient {
        /// The training step, the first is 1.
        step: usize,
        /// The first parameter whose gradient is not finite.
        path: String,
    },
    /// Values that a method would keep, and are not finite: what they would have changed stays as it was.
    #[error("{0} hold a value that is NaN or infinite: nothing is kept of them")]
    NotFinite(String),
    /// A second device trains a copy of a model whose method keeps one gradient for all.
    #[error(
        "a copy of the model trains on another device, and this method changes the gradients of one: train by `optimize_multi`, which has one model"
    )]
    Replica,
    /// A method that needs something of the model that it has not.
    #[error("{method} can't serve this model: {reason}")]
    Unsupported {
        /// The method.
        method: &'static str,
        /// What it needs.
        reason: String,
    },
    /// A saved state that is damaged, or of another method.
    #[error("the saved state can't be read: {0}")]
    State(String),
    /// A small dense solve that failed.
    #[error("{what}: {reason}")]
    Solve {
        /// What was to be solved.
        what: &'static str,
        /// Why it can't be.
        reason: String,
    },
    /// A schedule whose parameters are out of range.
    #[error(transparent)]
    Schedule(#[from] regimen_schedules::Error),
    /// A data set or loader failed.
    #[cfg(feature = "burn")]
    #[error(transparent)]
    Data(#[from] burn::data::dataset::DatasetError),
    /// An error of the parameter space.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// Result of this crate.
pub type Result<T, E = ContinualError> = std::result::Result<T, E>;

impl ContinualError {
    pub(crate) fn range(field: &'static str, value: impl ToString, allowed: &str) -> Self {
        Self::OutOfRange {
            field,
            value: value.to_string(),
            allowed: allowed.to_owned(),
        }
    }

    pub(crate) fn mismatch(
        what: impl Into<String>,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self::Mismatch {
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

#[cfg(feature = "burn")]
impl regimen_tensor::training::StepError for ContinualError {
    fn severity(&self) -> regimen_tensor::training::Severity {
        use regimen_tensor::training::Severity;
        match self {
            Self::Gradient { .. } | Self::NotFinite(_) => Severity::Skip,
            Self::Tensor(TensorError::StateType { .. }) => Severity::Notice,
            _ => Severity::Failure,
        }
    }
}

/// Refuses a number that is not finite, or outside of what `allowed` says.
pub(crate) fn check(field: &'static str, value: f64, good: bool, allowed: &str) -> Result<()> {
    if good && value.is_finite() {
        return Ok(());
    }
    Err(ContinualError::range(field, value, allowed))
}

/// Refuses a strength or rate that is not finite or below 0.
pub(crate) fn strength(field: &'static str, value: f64) -> Result<()> {
    check(field, value, value >= 0.0, "0 or more, finite")
}

/// Refuses what is not a share.
pub(crate) fn share(field: &'static str, value: f64) -> Result<()> {
    check(field, value, (0.0..=1.0).contains(&value), "0 to 1")
}

/// Refuses a count below one.
pub(crate) fn positive(field: &'static str, value: usize) -> Result<()> {
    if value == 0 {
        return Err(ContinualError::range(field, value, "at least 1"));
    }
    Ok(())
}
