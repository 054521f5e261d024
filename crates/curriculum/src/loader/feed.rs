//! From a plan to batches, here or on worker threads.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;

use super::Sample;
use crate::sampler::EpochPlan;

/// Batches that a worker holds ready.
const AHEAD: usize = 2;

pub(super) struct Feed<I, O> {
    dataset: Arc<dyn Dataset<I>>,
    batcher: Arc<dyn Batcher<Sample<I>, O>>,
    batch_size: usize,
    pub(super) workers: usize,
    pub(super) device: Device,
}

impl<I, O> Feed<I, O> {
    pub(super) fn new(
        dataset: Arc<dyn Dataset<I>>,
        batcher: Arc<dyn Batcher<Sample<I>, O>>,
        batch_size: usize,
        device: &Device,
    ) -> Self {
        Self {
            dataset,
            batcher,
            batch_size,
            workers: 0,
            device: device.clone(),
        }
    }

    pub(super) fn on(&self, device: &Device) -> Self {
        Self {
            dataset: self.dataset.clone(),
            batcher: self.batcher.clone(),
            device: device.clone(),
            ..*self
        }
    }

    pub(super) fn examples(&self) -> usize {
        self.dataset.len()
    }

    /// The batch of a plan's positions.
    fn batch(&self, plan: &EpochPlan, positions: Range<usize>) -> Result<O, DatasetError> {
        let ids = plan.ids[positions.clone()].to_vec();
        let items = self.dataset.get_many(ids.clone())?;
        let samples = positions.zip(ids).zip(items);
        let samples = samples.map(|((position, id), item)| Sample {
            id,
            weight: plan.weight(position),
            item,
        });
        Ok(self.batcher.batch(samples.collect(), &self.device))
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Feed<I, O> {
    /// Batches over a part of a plan; `delivered` is told the position after each.
    pub(super) fn iterate(
        &self,
        plan: Arc<EpochPlan>,
        range: Range<usize>,
        delivered: Option<Arc<AtomicUsize>>,
    ) -> Batches<I, O> {
        let mut batches = Batches {
            feed: self.on(&self.device),
            first: range.start,
            next: range.start,
            end: range.end,
            plan,
            delivered,
            workers: Vec::new(),
        };
        batches.workers = (0..self.workers)
            .map(|worker| batches.spawn(worker))
            .collect();
        batches
    }
}

/// The batches of one epoch, in the plan's order.
pub(super) struct Batches<I, O> {
    feed: Feed<I, O>,
    plan: Arc<EpochPlan>,
    first: usize,
    next: usize,
    end: usize,
    delivered: Option<Arc<AtomicUsize>>,
    /// Worker `w` makes the batches `w`, `w + workers`, ...
    workers: Vec<Receiver<Result<O, DatasetError>>>,
}

impl<I: Send + Sync + 'static, O: Send + 'static> Batches<I, O> {
    fn spawn(&self, worker: usize) -> Receiver<Result<O, DatasetError>> {
        let (sender, receiver) = sync_channel(AHEAD);
        let (feed, plan) = (self.feed.on(&self.feed.device), self.plan.clone());
        let (size, end) = (feed.batch_size, self.end);
        let starts = (self.first + worker * size..end).step_by(size * feed.workers);
        std::thread::spawn(move || {
            for start in starts {
                let batch = feed.batch(&plan, start..(start + size).min(end));
                // Nobody listens any more: the epoch was given up.
                if sender.send(batch).is_err() {
                    break;
                }
            }
        });
        receiver
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Iterator for Batches<I, O> {
    type Item = Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let size = self.feed.batch_size;
        let positions = self.next..(self.next + size).min(self.end);
        let number = (self.next - self.first) / size;
        let batch = match self.workers.is_empty() {
            true => self.feed.batch(&self.plan, positions.clone()),
            false => match self.workers[number % self.workers.len()].recv() {
                Ok(batch) => batch,
                Err(gone) => Err(DatasetError::new(gone)),
            },
        };
        self.next = if batch.is_ok() {
            positions.end
        } else {
            self.end
        };
        if let (Some(delivered), Ok(_)) = (&self.delivered, &batch) {
            delivered.store(positions.end, Ordering::Relaxed);
        }
        Some(batch)
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> DataLoaderIterator<O> for Batches<I, O> {
    fn progress(&self) -> Progress {
        let (done, total) = (self.next - self.first, self.end.saturating_sub(self.first));
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
