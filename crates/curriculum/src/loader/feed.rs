//! From a plan to batches, here or on worker threads.

use std::marker::PhantomData;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;

use super::cuts::{Cut, Cuts, Place};
use super::position::{At, Planned, Position};
use super::sample::Sample;
use super::workers::{Crew, Workers, panicked};
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
    /// The batch of a plan's positions. A panic of the data set or the batcher is an error too, here and on other threads.
    fn batch(&self, plan: &EpochPlan, cut: Cut) -> Result<O, DatasetError> {
        let made = catch_unwind(AssertUnwindSafe(|| self.make(plan, cut)));
        made.unwrap_or_else(|panic| Err(DatasetError::new(panicked(&*panic))))
    }

    fn make(&self, plan: &EpochPlan, cut: Cut) -> Result<O, DatasetError> {
        let Cut { batch, positions } = cut;
        let ids = plan.ids[positions.clone()].to_vec();
        let items = self.dataset.get_many(ids.clone())?;
        if items.len() != ids.len() {
            return Err(DatasetError::new(CurriculumError::TooFew {
                field: "items of a batch",
                found: items.len(),
                needed: ids.len(),
            }));
        }
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

    /// Refuses a number of a batch that has no size.
    pub(super) fn check_size(&self, batch: usize) -> Result<(), CurriculumError> {
        self.sizes.at(batch).map(drop)
    }

    pub(super) fn set_threads(&mut self, threads: usize) {
        self.threads = threads;
        self.workers = Workers::default();
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Feed<I, O> {
    /// Batches over a part of a plan; the position is told of each, and `ended` is called once no batch follows.
    ///
    /// # Errors
    /// If no batch is to be delivered, or the system starts no thread.
    pub(super) fn iterate(
        &self,
        planned: Planned,
        range: Range<usize>,
        place: Place,
        position: Arc<Position>,
        ended: Ended,
    ) -> Result<Batches<I, O>, CurriculumError> {
        let Planned { plan, start } = planned;
        let sizes = self.sizes.clone();
        let cuts = Cuts::new(sizes, place, self.drop_last, start.batches, range);
        // Of an epoch that goes on, the rest may be dropped.
        if cuts.is_done() && start.delivered == 0 {
            return Err(cuts.empty());
        }
        // A size that the next step may change can't be read ahead.
        let ahead = if self.threads > 0 && self.sizes.is_planned() && !cuts.is_done() {
            let crew = self.workers.crew(self.threads)?;
            Some(Ahead::new(&self.source, &plan, &cuts, crew))
        } else {
            None
        };
        let batches = Batches {
            source: self.source.clone(),
            done: 0,
            total: cuts.examples(),
            cuts,
            plan,
            epoch: start.epoch,
            position,
            ahead,
            ended: Some(ended),
        };
        batches.tell();
        Ok(batches)
    }
}

/// What is called at the end of an epoch.
pub(super) type Ended = Box<dyn FnOnce() + Send>;

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
                    let failed = batch.is_err();
                    // Nobody listens any more: the epoch was given up.
                    if sender.send(batch).is_err() || failed {
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
        made.unwrap_or_else(|| {
            let message = "a thread that reads ahead is gone".into();
            Err(DatasetError::new(CurriculumError::Worker { message }))
        })
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
    epoch: usize,
    position: Arc<Position>,
    ahead: Option<Ahead<O>>,
    ended: Option<Ended>,
}

impl<I, O> Batches<I, O> {
    /// Tells the position how far it came.
    fn tell(&self) {
        self.position.deliver(At {
            epoch: self.epoch,
            delivered: self.cuts.delivered(),
            batches: self.cuts.batch,
        });
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Iterator for Batches<I, O> {
    type Item = Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(cut) = self.cuts.next() else {
            self.ahead = None;
            if let Some(ended) = self.ended.take() {
                ended();
            }
            return None;
        };
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
                self.tell();
                Ok(batch)
            }
            Err(error) => {
                self.cuts.stop();
                self.ahead = None;
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
