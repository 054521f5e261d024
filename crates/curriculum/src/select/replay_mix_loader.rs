//! The loader of a replay mix.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::Dataset;
use burn::data::dataset::transform::ComposedDataset;
use burn::tensor::Device;

use super::replay_mix::ReplayMix;
use super::replay_mix_config::ReplayMixConfig;
use crate::error::{Result, count};
use crate::loader::{CurriculumLoader, Sample};

impl ReplayMixConfig {
    /// A loader over old data sets and a new one: `DataLoader`, feedback, workers and state as of every [`CurriculumLoader`].
    ///
    /// Its ids are those of [`init`](Self::init), so that a batcher or the model can tell old from new by `Sample::id`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use burn::data::dataloader::{DataLoader, batcher::Batcher};
    /// use burn::tensor::{Device, Int, Tensor, TensorData};
    /// use regimen_curriculum::text::TokenWindows;
    /// use regimen_curriculum::{ReplayMixConfig, Sample};
    ///
    /// const CONTEXT: usize = 4;
    /// struct Tokens;
    /// impl Batcher<Sample<Vec<u32>>, Tensor<2, Int>> for Tokens {
    ///     fn batch(&self, items: Vec<Sample<Vec<u32>>>, device: &Device) -> Tensor<2, Int> {
    ///         let shape = [items.len(), CONTEXT + 1];
    ///         let tokens: Vec<i64> = items.into_iter().flat_map(|item| item.item).map(i64::from).collect();
    ///         Tensor::from_data(TensorData::new(tokens, shape), device)
    ///     }
    /// }
    ///
    /// let (old, new): (Vec<u32>, Vec<u32>) = ((0..1000).collect(), (5000..6000).collect());
    /// let old = Arc::new(TokenWindows::new(old, CONTEXT)?);
    /// let new = Arc::new(TokenWindows::new(new, CONTEXT)?);
    /// let mix = ReplayMixConfig::new(0.25, 8);
    /// let loader = mix.loader(vec![old], new, Arc::new(Tokens), &Device::flex())?.with_workers(2);
    /// let batch = loader.iter().next().ok_or("a batch")??;
    /// let first: Vec<i64> = batch.narrow(1, 0, 1).into_data().convert::<i64>().try_to_vec()?;
    /// assert_eq!(first.iter().filter(|token| **token < 1000).count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`init`](Self::init), or if the devices do not divide the batch.
    pub fn loader<I, O>(
        &self,
        old: Vec<Arc<dyn Dataset<I>>>,
        fresh: Arc<dyn Dataset<I>>,
        batcher: Arc<dyn Batcher<Sample<I>, O>>,
        device: &Device,
    ) -> Result<CurriculumLoader<ReplayMix, I, O>>
    where
        I: Clone + Send + Sync + 'static,
        O: Send + 'static,
    {
        let devices = self.devices;
        let good = devices > 0 && self.batch.is_multiple_of(devices);
        count("devices", devices, good, "a divisor of the batch")?;
        let sizes: Vec<usize> = old.iter().map(|own| own.len()).collect();
        let mix = self.init(&sizes, fresh.len())?;
        let joined = old.into_iter().chain([fresh]).collect();
        let joined = Arc::new(ComposedDataset::<Arc<dyn Dataset<I>>>::new(joined));
        CurriculumLoader::new(mix, joined, batcher, self.batch / devices, device)
    }
}
