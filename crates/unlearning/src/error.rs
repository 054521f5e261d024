use regimen_tensor::TensorError;
use thiserror::Error;

/// What can go wrong while a model forgets.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UnlearningError {
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
    /// A set of examples that must not be empty is.
    #[error("the {0} set is empty")]
    Empty(&'static str),
    /// Importances, predictions or weights of a set or model hold NaN or infinite values.
    #[error("the values of the {0} set are not finite")]
    NotFinite(&'static str),
    /// Two sets of predictions, or two models, can't be compared.
    #[error("{what}: {found} where {expected} was expected")]
    Mismatch {
        /// What differs.
        what: &'static str,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What the operating system or the format says.
        reason: String,
    },
    /// The loss, its gradient or the model became NaN or infinite.
    #[error("loss, gradient or weights of the {0} set are not finite: lower the rate")]
    Diverged(&'static str),
    /// A loss without a gradient.
    #[error(
        "the loss carries no gradient: put model and data on an autodiff device, and freeze not all of the model"
    )]
    NoGradient,
    /// A data set or loader failed.
    #[error(transparent)]
    Data(#[from] burn::data::dataset::DatasetError),
    /// Vectors or modules do not match, or the device failed.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// A result with an [`UnlearningError`].
pub type Result<T, E = UnlearningError> = std::result::Result<T, E>;

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
    Err(UnlearningError::OutOfRange {
        field,
        value: value.to_string(),
        allowed,
    })
}

/// Refuses two counts that differ.
pub(crate) fn same(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(mismatch(what, expected.to_string(), found))
}

pub(crate) fn mismatch(
    what: &'static str,
    expected: String,
    found: impl ToString,
) -> UnlearningError {
    let found = found.to_string();
    UnlearningError::Mismatch {
        what,
        expected,
        found,
    }
}
