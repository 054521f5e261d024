//! # ReplayLoader
//!
//! A Burn data loader whose batches hold examples of the stream and a share of kept ones.
//!
//! Source: Ratcliff 1990; Chaudhry et al., "On Tiny Episodic Memories in Continual Learning" (arXiv 1902.10486); both in one batch as
//! in Mammoth's `er`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::config::Config;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bytes::Bytes;
use super::kept::Kept;
use super::refused::Refused;
use super::shared_memory::SharedMemory;
use super::store::Memory;
use crate::error::{check, positive};
use crate::{ContinualError, Result};

/// How a [`ReplayLoader`] is made.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `batch_size` | | 1 or more | examples of the stream in a batch |
/// | `share` | 0.5 | 0 to 0.99 | kept examples of all in a batch: `round(batch_size share / (1 - share))` come on top |
/// | `task` | 0 | | the task under which examples are kept |
/// | `every_epoch` | false | | offers the examples to the memory in every epoch, not in the first alone |
/// | `seed` | 0 | | of the order, another one in each epoch |
///
/// ```
/// use std::sync::Arc;
/// use burn::data::dataloader::{DataLoader, batcher::Batcher};
/// use burn::data::dataset::InMemDataset;
/// use burn::tensor::Device;
/// use regimen_continual::memory::{MemoryConfig, ReplayLoaderConfig, SharedMemory};
///
/// struct Plain;
/// impl Batcher<u32, Vec<u32>> for Plain {
///     fn batch(&self, items: Vec<u32>, _device: &Device) -> Vec<u32> {
///         items
///     }
/// }
///
/// let memory = SharedMemory::from(MemoryConfig::reservoir(20).init()?);
/// for task in 0..3_u32 {
///     let data = Arc::new(InMemDataset::new((100 * task..100 * task + 100).collect()));
///     let config = ReplayLoaderConfig::new(10).with_task(task as usize);
///     let class = |item: &u32| *item as usize / 50;
///     let loader = config.init(data, Arc::new(Plain), &memory, class, &Device::flex())?;
///     let last = loader.iter().last().expect("10 batches")?;
///     assert_eq!(last.len(), 20); // 10 of the stream, 10 of the memory
/// }
/// assert_eq!(memory.lock().seen(), 300);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Config, Debug)]
pub struct ReplayLoaderConfig {
    /// Examples of the stream in a batch.
    pub batch_size: usize,
    /// Share of kept examples in a batch.
    #[config(default = 0.5)]
    pub share: f64,
    /// The task under which examples are kept.
    #[config(default = 0)]
    pub task: usize,
    /// Whether examples are offered to the memory in every epoch.
    #[config(default = false)]
    pub every_epoch: bool,
    /// Seed of the order.
    #[config(default = 0)]
    pub seed: u64,
}

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

    /// Kept examples in a batch, if the memory has as many.
    #[must_use]
    pub fn replayed(&self) -> usize {
        // A float beyond the range of a count becomes its end.
        (self.batch_size as f64 * self.share / (1.0 - self.share)).round() as usize
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
    source: Arc<Source<I, O>>,
    /// Its part of an epoch's order.
    part: (usize, usize),
    device: Device,
}

struct Source<I, O> {
    config: ReplayLoaderConfig,
    dataset: Arc<dyn Dataset<I>>,
    batcher: Arc<dyn Batcher<I, O>>,
    label: Box<dyn Fn(&I) -> usize + Send + Sync>,
    memory: SharedMemory<I>,
    progress: Mutex<Positions>,
}

/// How far the whole and its slices came.
#[derive(Default)]
struct Positions {
    at: BTreeMap<(usize, usize), At>,
    /// How often a state was loaded: iterators of before have no say.
    loads: usize,
}

/// How far one part came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct At {
    /// Epochs that were begun.
    epochs: u64,
    /// Examples of the last of them that were delivered.
    delivered: usize,
    /// Whether the next epoch is the rest of that one.
    #[serde(skip)]
    goes_on: bool,
}

impl<I, O> Source<I, O> {
    fn positions(&self) -> MutexGuard<'_, Positions> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(epoch);
        order.shuffle(&mut rng);
        order
    }
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
            loader: self.clone(),
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

/// The batches of an epoch.
struct Batches<I, O> {
    loader: ReplayLoader<I, O>,
    order: Vec<usize>,
    delivered: usize,
    epoch: u64,
    loads: usize,
}

impl<I: Bytes + Clone, O> Batches<I, O> {
    fn batch(&self, end: usize) -> std::result::Result<O, DatasetError> {
        let source = &self.loader.source;
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
        Ok(source.batcher.batch(items, &self.loader.device))
    }
}

impl<I: Bytes + Clone, O> Iterator for Batches<I, O> {
    type Item = std::result::Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.delivered >= self.order.len() || self.source().positions().loads != self.loads {
            return None;
        }
        let size = self.source().config.batch_size;
        let end = self.delivered.saturating_add(size).min(self.order.len());
        let batch = self.batch(end);
        self.delivered = match batch {
            Ok(_) => end,
            Err(_) => self.order.len(),
        };
        let (epoch, delivered) = (self.epoch, self.delivered);
        let mut positions = self.loader.source.positions();
        if batch.is_ok() && positions.loads == self.loads {
            let at = positions.at.entry(self.loader.part).or_default();
            // An epoch that was given up has no say.
            if at.epochs == epoch {
                at.delivered = delivered;
            }
        }
        drop(positions);
        Some(batch)
    }
}

impl<I, O> Batches<I, O> {
    fn source(&self) -> &Source<I, O> {
        &self.loader.source
    }
}

impl<I: Bytes + Clone, O> DataLoaderIterator<O> for Batches<I, O> {
    fn progress(&self) -> Progress {
        Progress::new(self.delivered, self.order.len(), Some("items".into()))
    }
}

/// What is saved.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<I> {
    examples: usize,
    parts: Vec<((usize, usize), At)>,
    memory: Memory<I>,
}

/// How far the loader and its slices came, and the memory. Taken between two steps: batches that were handed out count as
/// trained. Once it is loaded, the first `iter` delivers the rest of the epoch; iterators of before end. Refused for a data set of
/// another size, or another memory.
impl<I, O> Part for ReplayLoader<I, O>
where
    I: Clone + Serialize + DeserializeOwned,
{
    fn kind(&self) -> String {
        "replay loader 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        let positions = self.source.positions();
        let parts = positions.at.iter().map(|(part, at)| (*part, *at)).collect();
        json::save(&Saved {
            examples: self.source.dataset.len(),
            parts,
            memory: self.source.memory.lock().clone(),
        })
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        let saved: Saved<I> = json::load(bytes)?;
        let examples = self.source.dataset.len();
        if saved.examples != examples {
            let found = saved.examples;
            return Err(ContinualError::mismatch("examples", examples, found).into());
        }
        let mut parts = BTreeMap::new();
        for ((start, end), mut at) in saved.parts {
            let fits = start < end && end <= examples && at.delivered <= end - start;
            if !fits || at.epochs == 0 {
                let reason = format!("part {start} to {end} of {examples} at {at:?}");
                return Err(ContinualError::State(reason).into());
            }
            at.goes_on = at.delivered < end - start;
            parts.insert((start, end), at);
        }
        let mut positions = self.source.positions();
        let mut memory = self.source.memory.lock();
        if saved.memory.config() != memory.config() {
            let (expected, found) = (memory.config(), saved.memory.config());
            let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
            return Err(ContinualError::mismatch("memory", expected, found).into());
        }
        *memory = saved.memory;
        positions.at = parts;
        positions.loads += 1;
        Ok(())
    }
}
