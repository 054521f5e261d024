//! A loader whose data can't be had twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::tensor::Device;

use crate::ContinualError;
use crate::memory::Refused;

/// A loader of an online stream: its first epoch is what `loader` delivers, a second one is an error.
///
/// Its parts on other devices, by `to_device` and `slice`, have one pass each.
pub struct OnePass<O> {
    loader: Arc<dyn DataLoader<O>>,
    begun: AtomicBool,
}

impl<O> OnePass<O> {
    /// Over a loader that does not shuffle, or does.
    #[must_use]
    pub fn new(loader: Arc<dyn DataLoader<O>>) -> Self {
        let begun = AtomicBool::new(false);
        Self { loader, begun }
    }
}

impl<O: 'static> DataLoader<O> for OnePass<O> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<O> + 'a> {
        match self.begun.swap(true, Ordering::Relaxed) {
            false => self.loader.iter(),
            true => Box::new(Refused::new(ContinualError::Unsupported {
                method: "an online stream",
                reason: "its examples come once: train one epoch a task".into(),
            })),
        }
    }

    fn num_items(&self) -> usize {
        self.loader.num_items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
        Arc::new(Self {
            loader: self.loader.to_device(device),
            begun: AtomicBool::new(self.begun.load(Ordering::Relaxed)),
        })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
        Arc::new(Self {
            loader: self.loader.slice(start, end),
            begun: AtomicBool::new(self.begun.load(Ordering::Relaxed)),
        })
    }
}
