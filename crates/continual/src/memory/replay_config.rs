//! How a loader of replay is made.

use burn::config::Config;

/// How a [`ReplayLoader`](super::ReplayLoader) is made.
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
    /// Kept examples in a batch, if the memory has as many.
    #[must_use]
    pub fn replayed(&self) -> usize {
        // A float beyond the range of a count becomes its end.
        (self.batch_size as f64 * self.share / (1.0 - self.share)).round() as usize
    }
}
