//! What can go wrong.

use burn::tensor::Tensor;
use regimen_tensor::reduce::ReduceError;
use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MoeError {
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
    /// A tensor of another shape.
    #[error("`{name}` has shape {found:?}: {expected} was expected")]
    Shape {
        /// The tensor.
        name: &'static str,
        /// What was given.
        found: Vec<usize>,
        /// What may be given.
        expected: String,
    },
    /// A tensor could not be read.
    #[error("`{name}` can't be read: {reason}")]
    Read {
        /// The tensor.
        name: &'static str,
        /// Why not.
        reason: String,
    },
    /// Counts could not be exchanged with the other participants of a run; these get an error too.
    #[error(transparent)]
    Reduce(#[from] ReduceError),
    /// A file could not be read or written.
    #[error("file {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// Work that its watch has stopped, where half of it is of no use.
    #[error("{work} was stopped after {done} of {total}: nothing is changed")]
    Stopped {
        /// The work.
        work: &'static str,
        /// Steps that were done.
        done: usize,
        /// All steps.
        total: usize,
    },
    /// A checkpoint without a tensor.
    #[error("no tensor `{tensor}` in {files}")]
    MissingTensor {
        /// The tensor's name in the checkpoint.
        tensor: String,
        /// Where it was looked for.
        files: String,
    },
    /// A tensor of a checkpoint with a shape or type that does not fit.
    #[error("tensor `{tensor}` is {found}: {expected} was expected")]
    CheckpointTensor {
        /// The tensor's name in the checkpoint.
        tensor: String,
        /// Its type or shape.
        found: String,
        /// What may be there.
        expected: String,
    },
}

/// Result of this crate.
pub type Result<T, E = MoeError> = std::result::Result<T, E>;

impl MoeError {
    pub(crate) fn range(field: &'static str, value: impl ToString, allowed: &str) -> Self {
        Self::OutOfRange {
            field,
            value: value.to_string(),
            allowed: allowed.to_owned(),
        }
    }

    pub(crate) fn stopped(work: &'static str, done: usize, total: usize) -> Self {
        Self::Stopped { work, done, total }
    }

    pub(crate) fn shape(name: &'static str, found: &[usize], expected: impl ToString) -> Self {
        Self::Shape {
            name,
            found: found.to_vec(),
            expected: expected.to_string(),
        }
    }
}

/// `value` at least one.
pub(crate) fn positive(field: &'static str, value: usize) -> Result<()> {
    if value == 0 {
        return Err(MoeError::range(field, value, "at least 1"));
    }
    Ok(())
}

/// Experts of one layer.
const MOST_EXPERTS: usize = 1 << 16;

/// `value` within what a layer may have.
pub(crate) fn most_experts(value: usize) -> Result<()> {
    at_most("experts", value, MOST_EXPERTS)
}

/// Width of a token.
const WIDEST: usize = 1 << 24;

/// A width of tokens that a layer may have.
pub(crate) fn check_width(d_model: usize) -> Result<()> {
    positive("d_model", d_model)?;
    at_most("d_model", d_model, WIDEST)
}

/// `value` no more than a bound that keeps memory finite.
pub(crate) fn at_most(field: &'static str, value: usize, bound: usize) -> Result<()> {
    if value > bound {
        return Err(MoeError::range(field, value, &format!("at most {bound}")));
    }
    Ok(())
}

/// `value` finite and above zero.
pub(crate) fn above_zero(field: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(MoeError::range(field, value, "a finite number above 0"))
}

/// `value` finite and not negative.
pub(crate) fn not_negative(field: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(MoeError::range(field, value, "a finite number from 0"))
}

/// A tensor's values on the host.
pub(crate) fn read<const D: usize>(name: &'static str, tensor: Tensor<D>) -> Result<Vec<f64>> {
    let values = tensor.detach().try_into_vec_as::<f32>();
    let values = values.map_err(|reason| MoeError::Read {
        name,
        reason: reason.to_string(),
    })?;
    Ok(values.into_iter().map(f64::from).collect())
}
