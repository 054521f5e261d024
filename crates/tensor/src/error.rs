use thiserror::Error;

/// What can go wrong in parameter space.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TensorError {
    /// Two vectors, or a vector and a module, do not hold the same parameters.
    #[error("parameter `{path}`: {found} where {expected} was expected")]
    Mismatch {
        /// Path of the parameter in its module, such as `layers.0.weight`.
        path: String,
        /// What the left-hand side holds.
        expected: String,
        /// What the right-hand side holds.
        found: String,
    },
    /// A value is NaN or infinite where an order or a sum over it is asked for.
    #[error("`{what}` holds {value} at index {index}: only finite values are allowed")]
    NotFinite {
        /// What was read.
        what: String,
        /// Position of the first such value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// An argument lies outside its range.
    #[error("`{field}` is {value}: allowed is {allowed}")]
    OutOfRange {
        /// Name of the argument.
        field: &'static str,
        /// The value that was given.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A mean over no batches or no examples was asked for.
    #[error("`{0}` is empty: at least one batch is needed")]
    Empty(&'static str),
    /// A file could not be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What the operating system or the format says.
        reason: String,
    },
    /// Work that its watch has stopped, where half of it is of no use.
    #[error("{work} was stopped after {done} of {total}: there is no result")]
    Stopped {
        /// The work.
        work: &'static str,
        /// Steps that were done.
        done: usize,
        /// All steps.
        total: usize,
    },
    /// An optimizer's state that can't be read or written.
    #[error("optimizer state: {0}")]
    State(String),
    /// An optimizer's state that Burn would load in another float type: it stays as it is.
    #[error(
        "the optimizer's state of `{path}` is {found}, and Burn loads a state as {loaded}: it is kept as it is; make {found} the default float type of the default device (`Device::configure`) before its first tensor"
    )]
    StateType {
        /// The first parameter with such a state.
        path: String,
        /// The state's type.
        found: String,
        /// The type in which Burn loads it, that of the default device.
        loaded: String,
    },
    /// The device could not return a tensor's values.
    #[error("reading `{what}` from the device: {reason}")]
    Read {
        /// The tensor.
        what: String,
        /// The backend's own words.
        reason: String,
    },
}

/// A result with a [`TensorError`].
pub type Result<T> = std::result::Result<T, TensorError>;

impl TensorError {
    pub(crate) fn out_of_range(
        field: &'static str,
        value: impl ToString,
        allowed: impl ToString,
    ) -> Self {
        Self::OutOfRange {
            field,
            value: value.to_string(),
            allowed: allowed.to_string(),
        }
    }
}
