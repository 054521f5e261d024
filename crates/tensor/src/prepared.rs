//! # Prepared
//!
//! A data loader over batches that stand ready.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;

/// A data loader over batches that stand ready, in their order: each counts as one item.
#[derive(Clone, Debug)]
pub struct Prepared<B>(pub Vec<B>);

struct PreparedIter<'a, B> {
    batches: &'a [B],
    next: usize,
}

impl<B: Clone> Iterator for PreparedIter<'_, B> {
    type Item = Result<B, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.get(self.next)?.clone();
        self.next += 1;
        Some(Ok(batch))
    }
}

impl<B: Clone> DataLoaderIterator<B> for PreparedIter<'_, B> {
    fn progress(&self) -> Progress {
        Progress::new(self.next, self.batches.len(), None)
    }
}

impl<B: Clone + Send + Sync + 'static> DataLoader<B> for Prepared<B> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<B> + 'a> {
        let batches = &self.0;
        Box::new(PreparedIter { batches, next: 0 })
    }

    fn num_items(&self) -> usize {
        self.0.len()
    }

    /// The same loader: the batches stay on the device on which they were made.
    fn to_device(&self, _device: &Device) -> Arc<dyn DataLoader<B>> {
        Arc::new(self.clone())
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<B>> {
        let end = end.min(self.0.len());
        Arc::new(Self(self.0[start.min(end)..end].to_vec()))
    }
}
