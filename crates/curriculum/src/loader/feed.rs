//! From a plan to batches, here or on worker threads.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;

use super::sample::Sample;
use super::shared::Position;
use crate::batches::BatchSizes;
use crate::sampler::EpochPlan;

/// Batches that a worker holds ready.
const AHEAD: usize = 2;

pub(super) struct Feed<I, O> {
    dataset: Arc<dyn Dataset<I>>,
    batcher: Arc<dyn Batcher<Sample<I>, O>>,
    sizes: BatchSizes,
    pub(super) workers: usize,
    /// Leaves out the last batch of an epoch if it is not whole.
    pub(super) drop_last: bool,
    pub(super) device: Device,
}

impl<I, O> Feed<I, O> {
    pub(super) fn new(
        dataset: Arc<dyn Dataset<I>>,
        batcher: Arc<dyn Batcher<Sample<I>, O>>,
        sizes: BatchSizes,
        device: &Device,
    ) -> Self {
        Self {
            dataset,
            batcher,
            sizes,
            workers: 0,
            drop_last: false,
            device: device.clone(),
        }
    }

    pub(super) fn on(&self, device: &Device) -> Self {
        Self {
            dataset: self.dataset.clone(),
            batcher: self.batcher.clone(),
            sizes: self.sizes.clone(),
            workers: self.workers,
            drop_last: self.drop_last,
            device: device.clone(),
        }
    }

    pub(super) fn examples(&self) -> usize {
        self.dataset.len()
    }

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

impl<I: Send + Sync + 'static, O: Send + 'static> Feed<I, O> {
    /// Batches over a part of a plan, numbered on from what was delivered; the position is told of each.
    pub(super) fn iterate(
        &self,
        plan: Arc<EpochPlan>,
        range: Range<usize>,
        position: Arc<Position>,
    ) -> Batches<I, O> {
        let cuts = Cuts {
            sizes: self.sizes.clone(),
            batch: position.batches(),
            next: range.start,
            end: range.end,
            drop_last: self.drop_last,
        };
        let mut batches = Batches {
            feed: self.on(&self.device),
            first: (range.start, cuts.batch),
            cuts,
            plan,
            position,
            workers: Vec::new(),
        };
        // A size that the next step may change can't be read ahead.
        if self.sizes.is_planned() {
            let workers = 0..self.workers;
            batches.workers = workers.map(|worker| batches.spawn(worker)).collect();
        }
        batches
    }
}

/// A batch's number in the run and its positions in the plan.
struct Cut {
    batch: usize,
    positions: Range<usize>,
}

/// Where a part of a plan is cut into batches.
#[derive(Clone)]
struct Cuts {
    sizes: BatchSizes,
    batch: usize,
    next: usize,
    end: usize,
    drop_last: bool,
}

impl Iterator for Cuts {
    type Item = Result<Cut, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let size = match self.sizes.at(self.batch) {
            Ok(size) => size,
            Err(error) => {
                self.next = self.end;
                return Some(Err(DatasetError::new(error)));
            }
        };
        if self.drop_last && size > self.end - self.next {
            self.next = self.end;
            return None;
        }
        let batch = self.batch;
        let positions = self.next..self.next.saturating_add(size).min(self.end);
        self.next = positions.end;
        self.batch += 1;
        Some(Ok(Cut { batch, positions }))
    }
}

/// The batches of one epoch, in the plan's order.
pub(super) struct Batches<I, O> {
    feed: Feed<I, O>,
    plan: Arc<EpochPlan>,
    /// The first position, and the number of the first batch.
    first: (usize, usize),
    cuts: Cuts,
    position: Arc<Position>,
    /// Worker `w` makes the batches `w`, `w + workers`, ...
    workers: Vec<Receiver<Result<O, DatasetError>>>,
}

impl<I: Send + Sync + 'static, O: Send + 'static> Batches<I, O> {
    fn spawn(&self, worker: usize) -> Receiver<Result<O, DatasetError>> {
        let (sender, receiver) = sync_channel(AHEAD);
        let (feed, plan) = (self.feed.on(&self.feed.device), self.plan.clone());
        let own = self.cuts.clone().skip(worker).step_by(feed.workers);
        std::thread::spawn(move || {
            for cut in own {
                let batch = cut.and_then(|cut| feed.batch(&plan, cut));
                // Nobody listens any more: the epoch was given up.
                if sender.send(batch).is_err() {
                    break;
                }
            }
        });
        receiver
    }

    fn make(&self, cut: Cut) -> Result<O, DatasetError> {
        if self.workers.is_empty() {
            return self.feed.batch(&self.plan, cut);
        }
        let worker = (cut.batch - self.first.1) % self.workers.len();
        let made = self.workers[worker].recv();
        made.unwrap_or_else(|gone| Err(DatasetError::new(gone)))
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Iterator for Batches<I, O> {
    type Item = Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.cuts.next;
        let Some(cut) = self.cuts.next() else {
            let left = self.cuts.next - first;
            if left > 0 {
                // What is left of the epoch is dropped: no batch, but done with.
                let Cuts { next, batch, .. } = self.cuts;
                self.position.advance(left, next, batch);
            }
            return None;
        };
        let batch = cut.and_then(|cut| self.make(cut));
        let Cuts {
            next,
            batch: batches,
            ..
        } = self.cuts;
        match batch {
            Ok(_) => self.position.advance(next - first, next, batches),
            Err(_) => self.cuts.next = self.cuts.end,
        }
        Some(batch)
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> DataLoaderIterator<O> for Batches<I, O> {
    fn progress(&self) -> Progress {
        let (first, Cuts { next, end, .. }) = (self.first.0, &self.cuts);
        let (done, total) = (next - first, end.saturating_sub(first));
        Progress::new(done.min(total), total, Some("items".into()))
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
