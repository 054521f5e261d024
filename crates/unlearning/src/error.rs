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

/// Refuses a count outside of what `allowed` says.
pub(crate) fn count(
    field: &'static str,
    value: usize,
    good: bool,
    allowed: &'static str,
) -> Result<()> {
    if good {
        return Ok(());
    }
    Err(UnlearningError::OutOfRange {
        field,
        value: value.to_string(),
        allowed,
    })
}

/// Refuses a size whose memory can't be had: `factors` multiply to the number of values of type `T`.
///
/// The room is asked for and given back: where the system has none, it is an error of `field` instead of an abort.
pub(crate) fn memory<T>(field: &'static str, value: usize, factors: &[usize]) -> Result<()> {
    let values = factors
        .iter()
        .try_fold(1_usize, |product, factor| product.checked_mul(*factor));
    let good = values.is_some_and(|values| Vec::<T>::new().try_reserve_exact(values).is_ok());
    count(field, value, good, "a size that memory can hold")
}

/// Refuses what is not a share.
pub(crate) fn share(field: &'static str, value: f64) -> Result<()> {
    check(field, value, (0.0..=1.0).contains(&value), "0 to 1")
}

/// Refuses the first value that is not finite.
pub(crate) fn all_finite<'a>(
    field: &'static str,
    values: impl IntoIterator<Item = &'a f64>,
) -> Result<()> {
    let bad = values.into_iter().find(|value| !value.is_finite());
    bad.map_or(Ok(()), |value| check(field, *value, false, "finite"))
}

/// Refuses two counts that differ.
pub(crate) fn same(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(mismatch(what, expected.to_string(), found))
}

/// Refuses a label that is none of `classes`; below 0 it is ignored.
pub(crate) fn label(label: i64, classes: usize) -> Result<()> {
    if usize::try_from(label).is_ok_and(|label| label >= classes) {
        return Err(mismatch("label", format!("one of 0..{classes}"), label));
    }
    Ok(())
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
