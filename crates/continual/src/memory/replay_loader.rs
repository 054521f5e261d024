//! # ReplayLoader
//!
//! A Burn data loader whose batches hold examples of the stream and a share of kept ones.
//!
//! Source: Ratcliff 1990; Chaudhry et al., "On Tiny Episodic Memories in Continual Learning" (arXiv 1902.10486); both in one batch as
//! in Mammoth's `er`.

use std::fmt;
use std::sync::{Arc, Mutex};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::data::dataset::Dataset;
use burn::tensor::Device;

use super::bytes::Bytes;
use super::refused::Refused;
use super::replay_batches::Batches;
use super::replay_config::ReplayLoaderConfig;
use super::replay_source::Source;
use super::shared_memory::SharedMemory;
use crate::error::{check, positive};
use crate::{ContinualError, Result};

impl ReplayLoaderConfig {
    /// A loader over the data of a task; `label` says the class of an item.
    ///
    /// # Errors
    /// If the batch size is 0, the share is out of range, or the data set is empty.
    pub fn init<I, O>(
        &self,
        dataset: Arc<dyn Dataset<I>>,
        batcher: Arc<dyn Batcher<I, O>>,
        memory: &SharedMemory<I>,
        label: impl Fn(&I) -> usize + Send + Sync + 'static,
        device: &Device,
    ) -> Result<ReplayLoader<I, O>> {
        positive("batch_size", self.batch_size)?;
        check(
            "share",
            self.share,
            (0.0..=0.99).contains(&self.share),
            "0 to 0.99",
        )?;
        if dataset.is_empty() {
            return Err(ContinualError::Empty("the data set of a task"));
        }
        let part = (0, dataset.len());
        Ok(ReplayLoader {
            source: Arc::new(Source {
                config: self.clone(),
                dataset,
                batcher,
                label: Box::new(label),
                memory: memory.clone(),
                progress: Mutex::default(),
            }),
            part,
            device: device.clone(),
        })
    }
}

/// A [`DataLoader`] of replay: see [`ReplayLoaderConfig`]. Clones are the same loader.
///
/// A batch holds the stream's examples first, then those that are drawn from the memory, before the stream's are offered to it: none
/// comes twice. While the memory has fewer than are asked for, all of it comes. Items are read and batched anew in each epoch, kept ones
/// too, so that augmentation by the batcher changes them.
///
/// Each call of `iter` is an epoch, in an order that follows from the seed and the epoch. The progress counts the stream's
/// examples. `to_device` gives the same loader on another device; `slice` gives a part of each epoch's order: the parts of one training make it
/// up. They share the memory: what each of them draws depends on which of them comes first, if they run at once.
pub struct ReplayLoader<I, O> {
    pub(super) source: Arc<Source<I, O>>,
    /// Its part of an epoch's order.
    part: (usize, usize),
    device: Device,
}

impl<I, O> ReplayLoader<I, O> {
    /// The memory.
    #[must_use]
    pub fn memory(&self) -> &SharedMemory<I> {
        &self.source.memory
    }

    fn on(&self, part: (usize, usize), device: &Device) -> Self {
        Self {
            source: self.source.clone(),
            part,
            device: device.clone(),
        }
    }
}

impl<I, O> Clone for ReplayLoader<I, O> {
    fn clone(&self) -> Self {
        self.on(self.part, &self.device)
    }
}

impl<I, O> fmt::Debug for ReplayLoader<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (config, part) = (&self.source.config, &self.part);
        f.debug_struct("ReplayLoader")
            .field("config", config)
            .field("part", part)
            .finish_non_exhaustive()
    }
}

impl<I, O> DataLoader<O> for ReplayLoader<I, O>
where
    I: Bytes + Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<O> + 'a> {
        let (start, end) = self.part;
        if start == end {
            return Box::new(Refused::new(ContinualError::Empty("a slice of a loader")));
        }
        let (at, loads) = {
            let mut positions = self.source.positions();
            let loads = positions.loads;
            let at = positions.at.entry(self.part).or_default();
            if !std::mem::take(&mut at.goes_on) {
                at.epochs = at.epochs.saturating_add(1);
                at.delivered = 0;
            }
            (*at, loads)
        };
        let order = self.source.order(at.epochs - 1);
        Box::new(Batches {
            source: self.source.clone(),
            part: self.part,
            device: self.device.clone(),
            order: order[start..end].to_vec(),
            delivered: at.delivered,
            epoch: at.epochs,
            loads,
        })
    }

    fn num_items(&self) -> usize {
        self.part.1 - self.part.0
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
        Arc::new(self.on(self.part, device))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
        let own = self.part;
        let at = |offset: usize| own.0.saturating_add(offset).min(own.1);
        Arc::new(self.on((at(start), at(end.max(start))), &self.device))
    }
}
