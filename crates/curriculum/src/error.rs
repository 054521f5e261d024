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
    /// A thread that reads ahead has made no batch.
    #[error("a worker of the loader made no batch: its batcher or data set panicked")]
    Worker,
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

/// Refuses an empty data set.
pub(crate) fn check_examples(examples: usize) -> Result<()> {
    check("examples", examples as f64, examples > 0, "1 or more")
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
