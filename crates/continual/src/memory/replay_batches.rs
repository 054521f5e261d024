//! The batches of an epoch of replay.

use std::sync::Arc;

use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;

use super::bytes::Bytes;
use super::kept::Kept;
use super::replay_source::Source;
use crate::ContinualError;

/// The batches of an epoch.
pub(super) struct Batches<I, O> {
    pub(super) source: Arc<Source<I, O>>,
    pub(super) part: (usize, usize),
    pub(super) device: Device,
    pub(super) order: Vec<usize>,
    pub(super) delivered: usize,
    pub(super) epoch: u64,
    pub(super) loads: usize,
}

impl<I: Bytes + Clone, O> Batches<I, O> {
    fn batch(&self, end: usize) -> std::result::Result<O, DatasetError> {
        let source = &self.source;
        let config = &source.config;
        let places = self.order[self.delivered..end].to_vec();
        let count = places.len();
        // The user's code runs without a lock.
        let mut items = source.dataset.get_many(places)?;
        if items.len() != count {
            let error = ContinualError::mismatch("items of a batch", count, items.len());
            return Err(DatasetError::new(error));
        }
        let labels: Vec<(usize, usize)> = items
            .iter()
            .map(|item| ((source.label)(item), config.task))
            .collect();
        {
            let mut memory = source.memory.lock();
            let drawn = memory.draw(config.replayed());
            let drawn: Vec<I> = drawn.into_iter().map(|kept| kept.item.clone()).collect();
            if config.every_epoch || self.epoch == 1 {
                let kept = |place: &usize| {
                    let (label, task) = labels[*place];
                    Kept::new(items[*place].clone(), label, task)
                };
                let read = |places: &[usize]| Ok(places.iter().map(kept).collect());
                memory.add_batch(&labels, read).map_err(DatasetError::new)?;
            }
            items.extend(drawn);
        }
        Ok(source.batcher.batch(items, &self.device))
    }
}

impl<I: Bytes + Clone, O> Iterator for Batches<I, O> {
    type Item = std::result::Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.delivered >= self.order.len() || self.source.positions().loads != self.loads {
            return None;
        }
        let size = self.source.config.batch_size;
        let end = self.delivered.saturating_add(size).min(self.order.len());
        let batch = self.batch(end);
        self.delivered = match batch {
            Ok(_) => end,
            Err(_) => self.order.len(),
        };
        let (epoch, delivered) = (self.epoch, self.delivered);
        let mut positions = self.source.positions();
        if batch.is_ok() && positions.loads == self.loads {
            let at = positions.at.entry(self.part).or_default();
            // An epoch that was given up has no say.
            if at.epochs == epoch {
                at.delivered = delivered;
            }
        }
        drop(positions);
        Some(batch)
    }
}

impl<I: Bytes + Clone, O> DataLoaderIterator<O> for Batches<I, O> {
    fn progress(&self) -> Progress {
        Progress::new(self.delivered, self.order.len(), Some("items".into()))
    }
}
