//! What can go wrong.

use burn::tensor::Tensor;
use regimen_tensor::training::{Severity, StepError};
use regimen_tensor::{TensorError, memory};
use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PruningError {
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
    /// A mask of another model, or values of another size.
    #[error("`{path}`: {found} where {expected} was expected")]
    Mismatch {
        /// The parameter's path, or what the values are; `*` for all masked parameters.
        path: String,
        /// What the mask needs.
        expected: String,
        /// What the model has.
        found: String,
    },
    /// A mask that fits several parameters of a model.
    #[error("mask of `{path}`: it fits {} alike: make the masks of one of them", found.join(" and "))]
    Ambiguous {
        /// The mask's path.
        path: String,
        /// The paths that it fits.
        found: Vec<String>,
    },
    /// Nothing that could be masked.
    #[error(
        "the model has no prunable weight, as those of linear layers and convolutions are, or the group has none of two axes or more: at least one is needed"
    )]
    NoWeights,
    /// The optimizer's state could not be rewritten.
    #[error("optimizer state: {0}")]
    Record(String),
    /// An optimizer's state that Burn would load in another float type: it stays as it is, and is not zeroed where weights
    /// are off or new.
    #[error(
        "the optimizer's state of `{path}` is {found}, and Burn loads a state as {loaded}: it is kept, and not zeroed where weights are off or new; make {found} the default float type of the default device (`Device::configure`) before its first tensor"
    )]
    StateType {
        /// The first masked parameter with such a state.
        path: String,
        /// The state's type.
        found: String,
        /// The type in which Burn loads it, that of the default device.
        loaded: String,
    },
    /// A gradient that is not finite: the step is left out.
    #[error(
        "step {step}: the gradient of `{path}` is NaN or infinite: the step is left out, weights and masks stay"
    )]
    Gradient {
        /// The training step, the first is 1.
        step: usize,
        /// The first parameter whose gradient is not finite.
        path: String,
    },
    /// A weight, or its score, that is not finite where masks are decided: the decision is left out.
    #[error(
        "step {step}: a value or score of the weight `{path}` is NaN or infinite: the masks stay"
    )]
    Weight {
        /// The training step, the first is 1.
        step: usize,
        /// The first masked weight that is not finite.
        path: String,
    },
    /// A second device trains a copy of a model whose method keeps stored weights on one.
    #[error(
        "a copy of the model trains on another device, and this method keeps its stored weights on one: train by `optimize_multi`, which has one model, or with one handle a process"
    )]
    Replica,
    /// An earlier step failed.
    #[error("a step failed before: {0}")]
    Failed(std::sync::Arc<PruningError>),
    /// A schedule whose parameters are out of range.
    #[error(transparent)]
    Schedule(#[from] regimen_schedules::Error),
    /// A file of a model or of masks.
    #[error("`{path}`: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A sparse matrix that is none.
    #[error("sparse matrix: {0}")]
    Sparse(String),
    /// An error of the parameter space.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// Result of this crate.
pub type Result<T, E = PruningError> = std::result::Result<T, E>;

impl PruningError {
    pub(crate) fn range(field: &'static str, value: impl ToString, allowed: &str) -> Self {
        Self::OutOfRange {
            field,
            value: value.to_string(),
            allowed: allowed.to_owned(),
        }
    }
}

impl StepError for PruningError {
    fn severity(&self) -> Severity {
        match self {
            Self::Gradient { .. } | Self::Weight { .. } => Severity::Skip,
            Self::StateType { .. } => Severity::Notice,
            _ => Severity::Failure,
        }
    }
}

/// A tensor's values, row-major.
pub(crate) fn read<const D: usize>(what: &str, tensor: Tensor<D>) -> Result<Vec<f32>> {
    Ok(memory::read(what, tensor)?)
}

/// `value` within `[low, high)`, or at most `high` if `closed`.
pub(crate) fn fraction(field: &'static str, value: f64, closed: bool) -> Result<()> {
    if value.is_finite() && value >= 0.0 && (value < 1.0 || (closed && value == 1.0)) {
        return Ok(());
    }
    let allowed = if closed {
        "0 to 1"
    } else {
        "0 up to, not including, 1"
    };
    Err(PruningError::range(field, value, allowed))
}

/// A counter that can be counted on.
pub(crate) fn counter(field: &'static str, value: usize) -> Result<()> {
    at_most(field, value, "half of what a counter holds", usize::MAX / 2)
}

/// `value` at most that of another field.
pub(crate) fn at_most(field: &'static str, value: usize, other: &str, most: usize) -> Result<()> {
    if value > most {
        return Err(PruningError::range(
            field,
            value,
            &format!("0 to {other}, {most}"),
        ));
    }
    Ok(())
}

/// `value` at least one.
pub(crate) fn positive(field: &'static str, value: usize) -> Result<()> {
    if value == 0 {
        return Err(PruningError::range(field, value, "at least 1"));
    }
    Ok(())
}
