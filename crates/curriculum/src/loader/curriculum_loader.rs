//! # CurriculumLoader
//!
//! A Burn data loader that asks a sampler for each epoch and brings the losses back to it.
//!
//! Source: `burn::data::dataloader::DataLoader`.

use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::{Device, Tensor};

use super::feed::{Failed, Feed};
use super::sample::{LoaderState, Sample};
use super::shared::{Position, Shared};
use crate::batches::BatchSizes;
use crate::error::{CurriculumError, Result};
use crate::sampler::Sampler;

/// A [`DataLoader`] whose epochs a [`Sampler`] plans.
///
/// Each call of `iter` is an epoch: the sampler first learns the losses that [`Feedback`] gathered, then
/// plans. Batches come in the plan's order for any number of workers. Their size is a number, or [`BatchSizes`]: a plan
/// for the run, or a size that a test changes before any batch. `to_device` and `slice` share the sampler:
/// the slices of one loader split each epoch's plan among them, so every example of it is trained once.
///
/// ```
/// use std::sync::Arc;
/// use burn::data::dataloader::{DataLoader, batcher::Batcher};
/// use burn::data::dataset::InMemDataset;
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::{CurriculumLoader, Sample, SetaConfig};
///
/// struct Stack;
/// impl Batcher<Sample<f32>, (Vec<usize>, Tensor<1>)> for Stack {
///     fn batch(&self, items: Vec<Sample<f32>>, device: &Device) -> (Vec<usize>, Tensor<1>) {
///         let values: Vec<f32> = items.iter().map(|sample| sample.item).collect();
///         (items.iter().map(|s| s.id).collect(), Tensor::from_floats(values.as_slice(), device))
///     }
/// }
///
/// let data = Arc::new(InMemDataset::new((0..100).map(|i| i as f32).collect()));
/// let sampler = SetaConfig::new(10).init(100)?;
/// let loader = CurriculumLoader::new(sampler, data, Arc::new(Stack), 32, &Device::flex())?;
/// let feedback = loader.feedback();
/// for batch in loader.iter() {
///     let (ids, values) = batch?;
///     feedback.observe(ids, values * 0.01); // the losses of a training step
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CurriculumLoader<S, I, O> {
    shared: Arc<Shared<S>>,
    feed: Feed<I, O>,
    /// The share of each plan that this loader delivers, in examples of the data set.
    part: (usize, usize),
    /// The loader's own if it is a slice, else that of the whole.
    position: Arc<Position>,
    /// The epoch that the next `iter` delivers.
    next_epoch: Mutex<usize>,
}

impl<S, I, O> CurriculumLoader<S, I, O>
where
    S: Sampler + Clone + 'static,
    I: Send + Sync + Clone + 'static,
    O: Send + 'static,
{
    /// A loader without worker threads.
    ///
    /// # Errors
    /// If the first batch size is 0, or the sampler is for a data set of another size.
    pub fn new(
        sampler: S,
        dataset: Arc<dyn Dataset<I>>,
        batcher: Arc<dyn Batcher<Sample<I>, O>>,
        batch_size: impl Into<BatchSizes>,
        device: &Device,
    ) -> Result<Self> {
        let state = LoaderState {
            sampler,
            plan: None,
            delivered: 0,
            batches: 0,
        };
        Self::resume(state, dataset, batcher, batch_size, device)
    }

    /// A loader that goes on where [`state`](Self::state) was taken: the first `iter` delivers the rest
    /// of the epoch that was running.
    ///
    /// # Errors
    /// As [`new`](Self::new), or if the state's plan has ids that the data set lacks.
    pub fn resume(
        state: LoaderState<S>,
        dataset: Arc<dyn Dataset<I>>,
        batcher: Arc<dyn Batcher<Sample<I>, O>>,
        batch_size: impl Into<BatchSizes>,
        device: &Device,
    ) -> Result<Self> {
        let sizes = batch_size.into();
        sizes.at(state.batches)?;
        let (sampler, examples) = (state.sampler.examples(), dataset.len());
        if sampler != examples {
            let dataset = examples;
            return Err(CurriculumError::OtherData { sampler, dataset });
        }
        let ids = state.plan.iter().flat_map(|plan| &plan.ids);
        if let Some(id) = ids.copied().find(|id| *id >= examples) {
            return Err(CurriculumError::UnknownExample { id, examples });
        }
        let shared = Arc::new(Shared::new(state));
        Ok(Self {
            position: shared.position(),
            shared,
            feed: Feed::new(dataset, batcher, sizes, device),
            part: (0, examples),
            next_epoch: Mutex::new(0),
        })
    }

    /// Reads and batches ahead on this many threads; the batches and their order stay the same. A
    /// [live](crate::LiveBatchSize) size may change before any batch, so nothing is read ahead with it.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.feed.workers = workers;
        self
    }

    /// Leaves out the last batch of an epoch where fewer examples are left than its size, as PyTorch's `drop_last`: an update over a
    /// few examples has a noise of its own. An epoch shorter than a batch has none then.
    #[must_use]
    pub fn with_drop_last(mut self, drop_last: bool) -> Self {
        self.feed.drop_last = drop_last;
        self
    }

    /// The handle that brings losses back.
    #[must_use]
    pub fn feedback(&self) -> Feedback<S> {
        Feedback {
            shared: self.shared.clone(),
        }
    }

    /// What a run that is stopped now needs to go on; reads pending losses from the device.
    ///
    /// Take it between two steps: the batches that the iterator has handed out count as trained. Loaders that were sliced
    /// have no common position within an epoch: take their state between epochs, or the one that is running starts again.
    ///
    /// # Errors
    /// If a pending loss is not finite, or the device fails.
    pub fn state(&self) -> Result<LoaderState<S>> {
        self.shared.state()
    }

    fn with_part(&self, part: (usize, usize), device: &Device) -> Self {
        let epoch = *self
            .next_epoch
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let position = if part == self.part {
            self.position.clone()
        } else {
            self.position.slice()
        };
        Self {
            shared: self.shared.clone(),
            feed: self.feed.on(device),
            part,
            position,
            next_epoch: Mutex::new(epoch),
        }
    }
}

impl<S, I, O> DataLoader<O> for CurriculumLoader<S, I, O>
where
    S: Sampler + Clone + Sync + 'static,
    I: Send + Sync + Clone + 'static,
    O: Send + 'static,
{
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<O> + 'a> {
        let mut epoch = self
            .next_epoch
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let planned = self.shared.plan(*epoch);
        *epoch += 1;
        match planned {
            Ok((plan, skip)) => {
                let examples = self.feed.examples().max(1);
                let place = |part: usize| plan.ids.len() * part / examples;
                let range = place(self.part.0).max(skip)..place(self.part.1);
                Box::new(self.feed.iterate(plan, range, self.position.clone()))
            }
            Err(error) => Box::new(Failed::new(DatasetError::new(error))),
        }
    }

    fn num_items(&self) -> usize {
        self.part.1 - self.part.0
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
        Arc::new(self.with_part(self.part, device))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
        let last = self.part.1;
        let part = |offset: usize| (self.part.0 + offset).min(last);
        let (start, end) = (part(start), part(end.max(start)));
        Arc::new(self.with_part((start, end), &self.feed.device))
    }
}

/// Brings losses back to a loader's sampler; clones are the same handle.
///
/// Keep one in the model (`#[module(skip)]`) and call it in `TrainStep::step`. Nothing is read from the device
/// before the next epoch is planned.
pub struct Feedback<S> {
    shared: Arc<Shared<S>>,
}

impl<S> Clone for Feedback<S> {
    fn clone(&self) -> Self {
        let shared = self.shared.clone();
        Self { shared }
    }
}

impl<S> std::fmt::Debug for Feedback<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feedback")
    }
}

impl<S: Sampler + Clone> Feedback<S> {
    /// Notes the unweighted losses, `[batch]`, of the examples of a batch. They are taken off the tape.
    ///
    /// A loss that is not finite is reported by the next epoch's first batch, or by [`flush`](Self::flush).
    pub fn observe(&self, ids: Vec<usize>, losses: Tensor<1>) {
        self.shared.note(ids, losses.inner());
    }

    /// Reads all pending losses and gives them to the sampler.
    ///
    /// # Errors
    /// If one is NaN or infinite, an id is unknown, the lengths differ, or the device fails. The batches that
    /// were pending are dropped then.
    pub fn flush(&self) -> Result<()> {
        self.shared.flush()
    }
}
