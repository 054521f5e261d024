//! A model of characters that is trained on one domain of text after another.

use std::sync::Arc;

use anyhow::Result;
use burn::lr_scheduler::LrScheduler;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;

use crate::data::{Text, TextLoader};
use crate::experiment::{Context, Domain};
use crate::models::{CharWindow, CharWindowConfig};
use crate::optim::adam;
use crate::train::{fit, text_loss};

const WINDOW: usize = 8;

/// The domains of a run, each in a part to train on and a part to judge by.
pub(crate) struct Stream {
    device: Device,
    seed: u64,
    domains: Vec<(Arc<Text>, Text)>,
}

/// A model and its optimizer. A clone is a checkpoint: training goes on from either.
#[derive(Clone)]
pub(crate) struct State {
    model: CharWindow,
    optim: ModuleOptimizer,
}

impl Stream {
    /// Samples of a batch.
    pub(crate) const BATCH: usize = 64;

    /// The domains of the context.
    pub(crate) fn new(context: &Context, seed: u64, embedded: &[Domain]) -> Result<Self> {
        let split = |text: Text| {
            let (train, valid) = text.split(0.9);
            (Arc::new(train), valid)
        };
        Ok(Self {
            device: context.device.clone(),
            seed,
            domains: context.domains(embedded)?.into_iter().map(split).collect(),
        })
    }

    /// How many domains there are.
    pub(crate) fn len(&self) -> usize {
        self.domains.len()
    }

    /// An untrained model with Adam, the same for a seed.
    pub(crate) fn start(&self) -> State {
        self.device.seed(self.seed);
        State {
            model: CharWindowConfig::new().init(&self.device),
            optim: adam(0.95),
        }
    }

    /// Batches of a domain; each `part` of a run has its own.
    pub(crate) fn batches(&self, domain: usize, updates: usize, part: u64) -> TextLoader {
        let (train, seed) = (self.domains[domain].0.clone(), 1000 * self.seed + part);
        TextLoader::new(train, updates, Self::BATCH, WINDOW, seed, &self.device)
    }

    /// Batches of a domain with a fraction of an older one in each.
    pub(crate) fn mixed(
        &self,
        (domain, old): (usize, usize),
        fraction: f64,
        updates: usize,
        part: u64,
    ) -> Result<TextLoader> {
        let old = self.domains[old].0.clone();
        self.batches(domain, updates, part)
            .with_replay(old, fraction)
    }

    /// The validation loss on a domain.
    pub(crate) fn loss(&self, state: &State, domain: usize) -> f64 {
        let valid = &self.domains[domain].1;
        text_loss(&state.model, valid, WINDOW, &self.device)
    }
}

impl State {
    /// The model with an optimizer that knows nothing of the updates before.
    pub(crate) fn forgotten(self) -> Self {
        Self {
            optim: adam(0.95),
            ..self
        }
    }

    /// Trains on all batches of a loader.
    pub(crate) fn trained(self, loader: &TextLoader, rate: &mut dyn LrScheduler) -> Result<Self> {
        let Self { model, mut optim } = self;
        let model = fit(model, loader, &mut optim, rate, 1)?;
        Ok(Self { model, optim })
    }
}
