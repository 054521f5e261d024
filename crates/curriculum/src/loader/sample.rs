//! What a loader delivers, and what it is saved as.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, count, counted};
use crate::sampler::{EpochPlan, Sampler};

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
///
/// What is read from a file is checked: no plan with repeated ids or weights that are not finite, no position past the end of its plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct LoaderState<S> {
    /// The sampler, with all losses that were observed before the epoch that is running; after its end, with those of it too.
    pub sampler: S,
    /// The epoch that is running, if one was started.
    pub plan: Option<EpochPlan>,
    /// Examples of it that were delivered in batches.
    pub delivered: usize,
    /// Batches that were delivered in all epochs: where a plan of [`BatchSizes`](crate::BatchSizes) goes on.
    #[serde(default)]
    pub batches: usize,
    /// Losses that were not finite, of those that the sampler was to learn.
    #[serde(default)]
    pub rejected: Rejected,
    /// Epochs that were planned after the one that is running, because a slice was done with it before the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<EpochPlan>,
    /// Losses that the sampler learns when the next epoch is planned.
    #[serde(default)]
    pub noted: NotedLosses,
}
checked_serde!(LoaderState<S>);

impl<S> Checked for LoaderState<S> {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        counted("batches", self.batches)?;
        let planned = self.plan.as_ref().map_or(0, |plan| plan.ids.len());
        let allowed = "up to the examples of `plan`";
        count(
            "delivered",
            self.delivered,
            self.delivered <= planned,
            allowed,
        )?;
        let later = self.later.len();
        let follows = later == 0 || self.plan.is_some();
        count(
            "later",
            later,
            follows,
            "no epoch without a `plan` before it",
        )?;
        self.plan
            .iter()
            .chain(&self.later)
            .try_for_each(Checked::check)?;
        self.rejected.check()?;
        self.noted.check()
    }
}

impl<S: Sampler> LoaderState<S> {
    /// Refuses a state that does not fit to a data set of so many examples.
    pub(super) fn check_for(&self, examples: usize) -> Result<()> {
        crate::error::check_examples(examples)?;
        let sampler = self.sampler.examples();
        if sampler != examples {
            let dataset = examples;
            return Err(CurriculumError::OtherData { sampler, dataset });
        }
        counted("batches", self.batches)?;
        let plans = self.plan.iter().chain(&self.later);
        plans
            .clone()
            .try_for_each(|plan| plan.check_for(examples))?;
        let mut ids = self.noted.ids.iter().chain(&self.rejected.last);
        match ids.find(|id| **id >= examples) {
            Some(id) => Err(CurriculumError::UnknownExample { id: *id, examples }),
            None => self.check(),
        }
    }
}

/// Losses that were noted, in the order in which they were, and not yet learned; some may be NaN or infinite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct NotedLosses {
    /// Their examples.
    pub ids: Vec<usize>,
    /// One for each of them, unweighted.
    #[serde(with = "regimen_tensor::floats")]
    pub losses: Vec<f32>,
}
checked_serde!(NotedLosses);

impl Checked for NotedLosses {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let (ids, losses) = (self.ids.len(), self.losses.len());
        if ids == losses {
            return Ok(());
        }
        Err(CurriculumError::Lengths { ids, losses })
    }
}

/// The losses that a sampler did not learn, because they are NaN or infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Rejected {
    /// How many, over the whole run.
    pub losses: usize,
    /// The example of the last of them.
    pub last: Option<usize>,
}
checked_serde!(Rejected);

impl Checked for Rejected {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        counted("losses", self.losses)?;
        let good = self.last.is_some() == (self.losses > 0);
        let allowed = "1 or more with a `last`, 0 without";
        count("losses", self.losses, good, allowed)
    }
}
