//! What the slices of a loader of replay share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::Dataset;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::replay_config::ReplayLoaderConfig;
use super::shared_memory::SharedMemory;

/// What the slices of a loader share.
pub(super) struct Source<I, O> {
    pub(super) config: ReplayLoaderConfig,
    pub(super) dataset: Arc<dyn Dataset<I>>,
    pub(super) batcher: Arc<dyn Batcher<I, O>>,
    pub(super) label: Box<dyn Fn(&I) -> usize + Send + Sync>,
    pub(super) memory: SharedMemory<I>,
    pub(super) progress: Mutex<Positions>,
}

/// How far the whole and its slices came.
#[derive(Default)]
pub(super) struct Positions {
    pub(super) at: BTreeMap<(usize, usize), At>,
    /// How often a state was loaded: iterators of before have no say.
    pub(super) loads: usize,
}

/// How far one part came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct At {
    /// Epochs that were begun.
    pub(super) epochs: u64,
    /// Examples of the last of them that were delivered.
    pub(super) delivered: usize,
    /// Whether the next epoch is the rest of that one.
    #[serde(skip)]
    pub(super) goes_on: bool,
}

impl<I, O> Source<I, O> {
    pub(super) fn positions(&self) -> MutexGuard<'_, Positions> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(epoch);
        order.shuffle(&mut rng);
        order
    }
}
