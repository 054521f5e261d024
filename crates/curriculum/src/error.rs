use thiserror::Error;

/// What can go wrong while data is chosen.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CurriculumError {
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
    /// A loss is NaN or infinite.
    #[error("the loss of example {id} is {loss}: only finite losses are allowed")]
    NotFinite {
        /// The example.
        id: usize,
        /// Its loss.
        loss: f32,
    },
    /// Losses that are NaN or infinite, which were left out.
    #[error("{losses} losses are not finite, the last that of example {last}: they were left out")]
    Rejected {
        /// How many.
        losses: usize,
        /// The example of the last of them.
        last: usize,
    },
    /// An example that the data set does not have.
    #[error("example {id} of {examples}")]
    UnknownExample {
        /// The example.
        id: usize,
        /// How many there are.
        examples: usize,
    },
    /// As many losses as examples are needed.
    #[error("{losses} losses for {ids} examples")]
    Lengths {
        /// Number of examples.
        ids: usize,
        /// Number of losses.
        losses: usize,
    },
    /// A sampler for another data set.
    #[error("the sampler is for {sampler} examples, the data set has {dataset}")]
    OtherData {
        /// Examples that the sampler knows.
        sampler: usize,
        /// Examples of the data set.
        dataset: usize,
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
    /// Gradients could not be combined, or the device could not return their statistics.
    #[error("the gradients' statistics: {0}")]
    Gradients(String),
    /// A schedule with a value out of its range.
    #[error(transparent)]
    Schedule(#[from] regimen_schedules::Error),
    /// A plan whose weights are not one finite number for each of its examples.
    #[error(
        "the plan's weight {position} is {weight}: allowed is a finite weight for each of {ids} examples"
    )]
    Weight {
        /// Place in the plan.
        position: usize,
        /// The weight there, if there is one.
        weight: String,
        /// Examples of the plan.
        ids: usize,
    },
    /// A slice of a loader that began fewer epochs than the other slices, so that the plan of its next one is gone.
    #[error("a slice of the loader is {epochs} epochs behind the others: allowed is 8")]
    Behind {
        /// Epochs that the others began before it.
        epochs: usize,
    },
    /// A batch could not be made, here or on a thread that reads ahead.
    #[error("a batch could not be made: its batcher, data set or batch size panicked: {message}")]
    Worker {
        /// What the panic said.
        message: String,
    },
    /// An epoch without a batch, which a loop over steps would wait for without end.
    #[error(
        "an epoch without a batch: it has {examples} examples to deliver, allowed is {needed} or more"
    )]
    EmptyEpoch {
        /// Examples that it has.
        examples: usize,
        /// Examples of its first batch over all slices, if what is less is left out; else 1.
        needed: usize,
    },
    /// An example that a plan holds more than once.
    #[error("example {id} is more than once in a plan: allowed is once")]
    Repeated {
        /// The example.
        id: usize,
    },
    /// A state of a sampler or a batch that was made otherwise than the one it is loaded into.
    #[error("the state's `{field}` is {saved}: allowed is {own}, as of what loads it")]
    OtherState {
        /// What differs.
        field: &'static str,
        /// In the state.
        saved: String,
        /// In what loads it.
        own: String,
    },
    /// A column of a table that holds something else than text, or vectors.
    #[error("the column is {found}: allowed is one of {allowed}")]
    Column {
        /// What it is.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// An agent whose training or use failed.
    #[error("the mixing agent: {0}")]
    Agent(String),
    /// The device could not return losses.
    #[error("reading losses from the device: {0}")]
    Read(String),
}

/// A result with a [`CurriculumError`].
pub type Result<T, E = CurriculumError> = std::result::Result<T, E>;

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
    Err(CurriculumError::OutOfRange {
        field,
        value: value.to_string(),
        allowed,
    })
}

/// The most examples of a data set, 2^28: an epoch's plan is a list of them in memory.
pub(crate) const MOST_EXAMPLES: usize = 1 << 28;

/// The most epochs, steps or batches that a state may have counted, 2^48: counting on does not overflow.
const MOST_COUNTED: usize = 1 << 48;

/// Refuses an empty data set, and one whose plans do not fit into memory.
pub(crate) fn check_examples(examples: usize) -> Result<()> {
    let good = (1..=MOST_EXAMPLES).contains(&examples);
    count("examples", examples, good, "1 to 268435456 (2^28)")
}

/// [`check`] of a whole number, which is shown exactly.
pub(crate) fn count(
    field: &'static str,
    value: usize,
    good: bool,
    allowed: &'static str,
) -> Result<()> {
    if good {
        return Ok(());
    }
    Err(CurriculumError::OutOfRange {
        field,
        value: value.to_string(),
        allowed,
    })
}

/// Refuses a count of a state that no run reaches.
pub(crate) fn counted(field: &'static str, value: usize) -> Result<()> {
    count(field, value, value <= MOST_COUNTED, "up to 2^48")
}

/// Refuses a state whose field is another than that of what loads it.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    field: &'static str,
    own: &T,
    saved: &T,
) -> Result<()> {
    if own == saved {
        return Ok(());
    }
    Err(CurriculumError::OtherState {
        field,
        saved: format!("{saved:?}"),
        own: format!("{own:?}"),
    })
}

/// Refuses no values, and values of which one is not finite.
pub(crate) fn finite(field: &'static str, values: &[f64]) -> Result<()> {
    if values.is_empty() {
        return Err(CurriculumError::TooFew {
            field,
            found: 0,
            needed: 1,
        });
    }
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => Err(CurriculumError::OutOfRange {
            field,
            value: value.to_string(),
            allowed: "finite numbers",
        }),
    }
}
