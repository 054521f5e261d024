//! From a plan to batches, here or on worker threads.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;

use super::cuts::{Cut, Cuts, Place};
use super::position::Position;
use super::sample::Sample;
use super::workers::{Crew, Workers};
use crate::batches::BatchSizes;
use crate::error::CurriculumError;
use crate::sampler::EpochPlan;

/// Batches that a worker holds ready.
const AHEAD: usize = 2;

pub(super) struct Feed<I, O> {
    source: Source<I, O>,
    sizes: BatchSizes,
    threads: usize,
    workers: Workers,
    /// Leaves out the last batch of an epoch if it is not whole.
    pub(super) drop_last: bool,
}

/// What batches are made from.
struct Source<I, O> {
    dataset: Arc<dyn Dataset<I>>,
    batcher: Arc<dyn Batcher<Sample<I>, O>>,
    device: Device,
}

impl<I, O> Clone for Source<I, O> {
    fn clone(&self) -> Self {
        Self {
            dataset: self.dataset.clone(),
            batcher: self.batcher.clone(),
            device: self.device.clone(),
        }
    }
}

impl<I, O> Source<I, O> {
    /// The batch of a plan's positions.
    fn batch(&self, plan: &EpochPlan, cut: Cut) -> Result<O, DatasetError> {
        let Cut { batch, positions } = cut;
        let ids = plan.ids[positions.clone()].to_vec();
        let items = self.dataset.get_many(ids.clone())?;
        let samples = positions.zip(ids).zip(items);
        let samples = samples.map(|((position, id), item)| Sample {
            id,
            batch,
            weight: plan.weight(position),
            item,
        });
        Ok(self.batcher.batch(samples.collect(), &self.device))
    }
}

impl<I, O> Feed<I, O> {
    pub(super) fn new(
        dataset: Arc<dyn Dataset<I>>,
        batcher: Arc<dyn Batcher<Sample<I>, O>>,
        sizes: BatchSizes,
        device: &Device,
    ) -> Self {
        let device = device.clone();
        Self {
            source: Source {
                dataset,
                batcher,
                device,
            },
            sizes,
            threads: 0,
            workers: Workers::default(),
            drop_last: false,
        }
    }

    pub(super) fn on(&self, device: &Device) -> Self {
        let source = self.source.clone();
        let device = device.clone();
        Self {
            source: Source { device, ..source },
            sizes: self.sizes.clone(),
            threads: self.threads,
            workers: self.workers.clone(),
            drop_last: self.drop_last,
        }
    }

    pub(super) fn device(&self) -> &Device {
        &self.source.device
    }

    pub(super) fn examples(&self) -> usize {
        self.source.dataset.len()
    }

    pub(super) fn set_threads(&mut self, threads: usize) {
        self.threads = threads;
        self.workers = Workers::default();
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Feed<I, O> {
    /// Batches over a part of a plan, numbered on from what was delivered; the position is told of each.
    pub(super) fn iterate(
        &self,
        plan: Arc<EpochPlan>,
        range: Range<usize>,
        place: Place,
        position: Arc<Position>,
    ) -> Result<Batches<I, O>, DatasetError> {
        let sizes = self.sizes.clone();
        let cuts = Cuts::new(sizes, place, self.drop_last, position.batches(), range);
        // A size that the next step may change can't be read ahead.
        let ahead = if self.threads > 0 && self.sizes.is_planned() {
            let crew = self.workers.crew(self.threads)?;
            Some(Ahead::new(&self.source, &plan, &cuts, crew))
        } else {
            None
        };
        position.deliver(cuts.delivered(), cuts.batch);
        Ok(Batches {
            source: self.source.clone(),
            done: 0,
            total: cuts.examples(),
            cuts,
            plan,
            position,
            ahead,
        })
    }
}

/// An epoch whose batches a crew makes.
struct Ahead<O> {
    first: usize,
    /// Thread `w` makes the batches `w`, `w + threads`, ... These are dropped before the crew goes back, which ends an epoch
    /// that was given up.
    receivers: Vec<Receiver<Result<O, DatasetError>>>,
    _crew: Crew,
}

impl<O: Send + 'static> Ahead<O> {
    fn new<I: Send + Sync + 'static>(
        source: &Source<I, O>,
        plan: &Arc<EpochPlan>,
        cuts: &Cuts,
        crew: Crew,
    ) -> Self {
        let threads = crew.threads();
        let give = |thread: usize| {
            let (sender, receiver) = sync_channel(AHEAD);
            let (source, plan) = (source.clone(), plan.clone());
            let own = cuts.clone().skip(thread).step_by(threads);
            crew.give(thread, move || {
                for cut in own {
                    let batch = cut.and_then(|cut| source.batch(&plan, cut));
                    // Nobody listens any more: the epoch was given up.
                    if sender.send(batch).is_err() {
                        break;
                    }
                }
            });
            receiver
        };
        Self {
            first: cuts.batch,
            receivers: (0..threads).map(give).collect(),
            _crew: crew,
        }
    }

    fn take(&self, batch: usize) -> Result<O, DatasetError> {
        let thread = (batch - self.first) % self.receivers.len().max(1);
        let made = self.receivers.get(thread).and_then(|own| own.recv().ok());
        made.unwrap_or_else(|| Err(DatasetError::new(CurriculumError::Worker)))
    }
}

/// The batches of one epoch, in the plan's order.
pub(super) struct Batches<I, O> {
    source: Source<I, O>,
    plan: Arc<EpochPlan>,
    cuts: Cuts,
    /// Examples delivered, and all that are.
    done: usize,
    total: usize,
    position: Arc<Position>,
    ahead: Option<Ahead<O>>,
}

impl<I: Send + Sync + 'static, O: Send + 'static> Iterator for Batches<I, O> {
    type Item = Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let cut = self.cuts.next()?;
        let made = cut.and_then(|cut| {
            let examples = cut.positions.len();
            let batch = match &self.ahead {
                Some(ahead) => ahead.take(cut.batch),
                None => self.source.batch(&self.plan, cut),
            };
            batch.map(|batch| (batch, examples))
        });
        Some(match made {
            Ok((batch, examples)) => {
                self.done += examples;
                let (delivered, batches) = (self.cuts.delivered(), self.cuts.batch);
                self.position.deliver(delivered, batches);
                Ok(batch)
            }
            Err(error) => {
                self.cuts.stop();
                Err(error)
            }
        })
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> DataLoaderIterator<O> for Batches<I, O> {
    /// Complete with the last batch, even where the rest of the epoch is dropped: Burn's gradient accumulation ends there.
    fn progress(&self) -> Progress {
        let unfinished = self.done.min(self.total.saturating_sub(1));
        let done = if self.cuts.is_done() {
            self.total
        } else {
            unfinished
        };
        Progress::new(done, self.total, Some("items".into()))
    }
}

/// An epoch that could not be planned: its error, then nothing.
pub(super) struct Failed<O> {
    error: Option<DatasetError>,
    output: PhantomData<fn() -> O>,
}

impl<O> Failed<O> {
    pub(super) fn new(error: DatasetError) -> Self {
        Self {
            error: Some(error),
            output: PhantomData,
        }
    }
}

impl<O> Iterator for Failed<O> {
    type Item = Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.error.take().map(Err)
    }
}

impl<O> DataLoaderIterator<O> for Failed<O> {
    fn progress(&self) -> Progress {
        Progress::new(0, 0, Some("items".into()))
    }
}
