//! What a loader delivers, and what it is saved as.

use serde::{Deserialize, Serialize};

use crate::sampler::EpochPlan;

/// An item with its place in the data set and the weight of its loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<I> {
    /// Position in the data set: what `Feedback::observe` wants back.
    pub id: usize,
    /// Number of its batch, counted over all epochs: a batcher whose crop or length changes during the run asks its
    /// schedule for this.
    pub batch: usize,
    /// Factor of its loss; 1 unless the sampler reweights.
    pub weight: f32,
    /// The item.
    pub item: I,
}

/// Everything a loader needs to go on in the middle of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoaderState<S> {
    /// The sampler, with all losses that were observed.
    pub sampler: S,
    /// The epoch that is running, if one was started.
    pub plan: Option<EpochPlan>,
    /// Examples of it that were delivered in batches.
    pub delivered: usize,
    /// Batches that were delivered in all epochs: where a plan of [`BatchSizes`](crate::BatchSizes) goes on.
    #[serde(default)]
    pub batches: usize,
    /// Losses that were not finite.
    #[serde(default)]
    pub rejected: Rejected,
}

/// The losses that a sampler did not learn, because they are NaN or infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// How many, over the whole run.
    pub losses: usize,
    /// The example of the last of them.
    pub last: Option<usize>,
}
