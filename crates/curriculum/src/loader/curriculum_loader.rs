//! # CurriculumLoader
//!
//! A Burn data loader that asks a sampler for each epoch and brings the losses back to it.
//!
//! Source: `burn::data::dataloader::DataLoader`.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;

use super::cuts::Place;
use super::feed::{Failed, Feed};
use super::feedback::Feedback;
use super::position::{Share, Slice};
use super::sample::{LoaderState, NotedLosses, Rejected, Sample};
use super::shared::Shared;
use crate::batches::BatchSizes;
use crate::error::{CurriculumError, Result};
use crate::sampler::Sampler;

/// A [`DataLoader`] whose epochs a [`Sampler`] plans. Clones are the same loader.
///
/// Each call of `iter` is an epoch: the sampler first learns the losses that [`Feedback`] gathered, then plans. A second training
/// with the same loader goes on with the next epoch. Batches come in the plan's order for any number of workers. Their size is
/// a number, or [`BatchSizes`]: a plan for the run, or a size that a test changes before any batch. The progress is complete with
/// the last batch of an epoch, so that Burn's gradient accumulation loses no update.
///
/// `to_device` gives the same loader on another device. `slice` gives a part of it: slices that were made before any of them
/// began, and that make up the whole, as in multi-device training, deliver each epoch's plan side by side. Every example is trained once, all
/// slices deliver as many batches, and the batches of one step are next to each other in the plan: `k` devices with batches of `n`
/// see, step by step, what one device sees with batches of `k n`. For an end with fewer examples than slices, the last two batches are
/// shared anew (with a size of 1, the last batch of some slices holds 2), and a plan of fewer examples than slices is
/// delivered with some of them repeated. A slice without the others delivers the range of the plan that corresponds to its own.
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
    /// What it is a part of, if it is not the whole.
    slice: Option<Arc<Slice>>,
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
    /// If the first batch size is 0, the data set is empty, or the sampler is for one of another size.
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
            rejected: Rejected::default(),
            later: Vec::new(),
            noted: NotedLosses::default(),
        };
        Self::resume(state, dataset, batcher, batch_size, device)
    }

    /// A loader that goes on where [`state`](Self::state) was taken: the first `iter` delivers the rest
    /// of the epoch that was running.
    ///
    /// # Errors
    /// As [`new`](Self::new), or if the state's plan has ids that come again or that the data set lacks, or weights that are not one
    /// finite number for each id, or its position is past the end of its plan.
    pub fn resume(
        state: LoaderState<S>,
        dataset: Arc<dyn Dataset<I>>,
        batcher: Arc<dyn Batcher<Sample<I>, O>>,
        batch_size: impl Into<BatchSizes>,
        device: &Device,
    ) -> Result<Self> {
        let sizes = batch_size.into();
        sizes.at(state.batches)?;
        state.check_for(dataset.len())?;
        Ok(Self {
            shared: Arc::new(Shared::new(state)),
            feed: Feed::new(dataset, batcher, sizes, device),
            slice: None,
        })
    }

    /// Reads and batches ahead on this many threads for each epoch that is running; the batches and their order stay the same. The
    /// threads stay for the epochs and trainings that follow. No more than 256 are started. A [live](crate::LiveBatchSize) size may change before any batch,
    /// so nothing is read ahead with it.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.feed.set_threads(workers);
        self
    }

    /// Leaves out the last batch of an epoch where fewer examples are left than its size, as PyTorch's `drop_last`: an update over a
    /// few examples has a noise of its own. An epoch shorter than a batch would have none: its first item is an error then. Slices drop what is less than a batch of each of
    /// them. With a [live](crate::LiveBatchSize) size, it is the size at the batch before that counts.
    #[must_use]
    pub fn with_drop_last(mut self, drop_last: bool) -> Self {
        self.feed.drop_last = drop_last;
        self
    }

    /// The handle that brings losses back.
    #[must_use]
    pub fn feedback(&self) -> Feedback<S> {
        Feedback::new(self.shared.clone())
    }

    /// What a run that is stopped now needs to go on; reads pending losses from the device. The run itself is not changed by it.
    ///
    /// Take it between two steps: the batches that the iterator has handed out count as trained. Slices that make up the whole
    /// have a common position, what all of them have handed out; with others, the epoch that is running starts again. The losses of
    /// an epoch that is running are kept beside the sampler, which learns them with the rest of it, as it would have; the losses of one
    /// that is done with are learned.
    ///
    /// # Errors
    /// If a batch of losses had an unknown id or another length (it is told once, and was left out), the device fails, or a slice is
    /// more than 8 epochs behind the others. A loss that is not finite is no error here: it is kept and counted.
    pub fn state(&self) -> Result<LoaderState<S>> {
        self.shared.state()
    }

    /// Calls `call` at the first failure of feedback or of a plan, once: losses that are NaN or infinite or of no example, a device that
    /// returns none, a plan that can't be delivered. Losses are looked at when an epoch ends, the last one too, and when the next is planned.
    ///
    /// All slices and clones of the loader, and its feedback, share the call; another call takes its place. A failed plan
    /// is also the first item of its epoch, of every slice, which ends a training of Burn; a loss that is not finite ends none, unless the
    /// call does:
    ///
    /// ```text
    /// let training = SupervisedTraining::new(folder, loader.clone(), valid);
    /// let interrupter = training.interrupter();
    /// loader.on_failure(move |error| interrupter.stop(Some(&error.to_string())));
    /// let result = training.launch(learner);   // `result.interrupted` says why
    /// ```
    pub fn on_failure(&self, call: impl FnOnce(&CurriculumError) + Send + 'static) {
        self.shared.alarm().set(call);
    }

    /// Refuses a state of another sampler or data set; else goes on from it.
    pub(super) fn restore(&self, state: LoaderState<S>) -> Result<()> {
        self.shared.accepts(&state)?;
        self.feed.check_size(state.batches)?;
        state.check_for(self.feed.examples())?;
        self.shared.restore(state);
        Ok(())
    }

    fn on(&self, device: &Device, slice: Option<Arc<Slice>>) -> Self {
        Self {
            shared: self.shared.clone(),
            feed: self.feed.on(device),
            slice,
        }
    }

    /// The examples of the data set that are its own.
    fn part(&self) -> (usize, usize) {
        let whole = (0, self.feed.examples());
        self.slice.as_ref().map_or(whole, |slice| slice.part)
    }
}

impl<S, I, O> Clone for CurriculumLoader<S, I, O> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            feed: self.feed.on(self.feed.device()),
            slice: self.slice.clone(),
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
        let failed =
            |error| -> Box<dyn DataLoaderIterator<O> + 'a> { Box::new(Failed::new(error)) };
        let (share, planned) = match &self.slice {
            None => (Share::InStep(Place::WHOLE), self.shared.plan()),
            Some(slice) => (
                slice.begin(self.feed.examples()),
                self.shared.plan_slice(slice),
            ),
        };
        let planned = match planned {
            Ok(planned) => planned,
            Err(error) => return failed(DatasetError::new(error)),
        };
        let (count, skip) = (planned.plan.ids.len(), planned.start.delivered);
        let (range, place) = match share {
            Share::InStep(place) => (skip..count, place),
            Share::Part => {
                let examples = self.feed.examples().max(1);
                // As 128 bits: the product of two lengths.
                let at = |part: usize| (count as u128 * part as u128 / examples as u128) as usize;
                let (start, end) = self.part();
                // At least one example of a short plan.
                let first = at(start).min(count.saturating_sub(1));
                let last = at(end).max(first + 1);
                (first.max(skip)..last.max(skip), Place::WHOLE)
            }
        };
        let position = self.slice.as_ref().map(|slice| slice.position.clone());
        let position = position.unwrap_or_else(|| self.shared.whole());
        let shared = self.shared.clone();
        // So that what is wrong with the losses of the last epoch is told too.
        let ended = Box::new(move || shared.settle());
        match self.feed.iterate(planned, range, place, position, ended) {
            Ok(batches) => Box::new(batches),
            Err(error) => {
                self.shared.alarm().ring(&error);
                failed(DatasetError::new(error))
            }
        }
    }

    fn num_items(&self) -> usize {
        let (start, end) = self.part();
        end - start
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
        Arc::new(self.on(device, self.slice.clone()))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
        let own = self.part();
        let at = |offset: usize| own.0.saturating_add(offset).min(own.1);
        let part = (at(start), at(end.max(start)));
        // The whole is one of its slices where others have no example: so a few examples are split over many devices.
        let joins = self.slice.is_none() && self.shared.has_open_slices();
        let slice = if part == own && !joins {
            self.slice.clone()
        } else {
            Some(self.shared.slice(part))
        };
        Arc::new(self.on(self.feed.device(), slice))
    }
}
