//! A field to learn beside the source: texts, a model that knows the source, and runs that go on from it.

use std::sync::Arc;

use anyhow::{Result, ensure};
use burn::data::dataset::Dataset;
use burn::data::dataset::transform::ComposedDataset;
use burn::tensor::Device;
use regimen_curriculum::mixing::{AgentMixture, MixturePolicy, Trajectory};
use regimen_curriculum::text::TokenWindows;
use regimen_curriculum::{CurriculumLoader, MixtureConfig};
use regimen_schedules::{Constant, LrSchedule};

use super::settings::{BATCH, Sizes};
use crate::data::{Text, TextBatch, TextLoader, WindowBatcher};
use crate::models::{CharWindow, CharWindowConfig};
use crate::optim::adam;
use crate::train::{batch_loss, fit};

pub(super) const WINDOW: usize = 8;

/// Characters of a text that a run may train on, at most.
const CHARACTERS: usize = 120_000;

/// Places from one window to the next.
const STRIDE: usize = 4;

type Windows = Arc<dyn Dataset<Vec<u8>>>;

/// The source and one or more fields, each a domain, with a model that was trained on the source.
pub(super) struct Field {
    data: Vec<Windows>,
    pub(super) texts: Vec<Arc<Text>>,
    pub(super) domains: Vec<usize>,
    feedback: Vec<TextBatch>,
    judges: Vec<TextBatch>,
    pub(super) base: CharWindow,
    pub(super) sizes: Sizes,
    pub(super) rate: f64,
    seed: u64,
    pub(super) device: Device,
}

/// How a run ended.
pub(super) struct Ended {
    pub(super) run: Trajectory,
    pub(super) model: CharWindow,
    /// The loss of each domain on text that no decision saw.
    pub(super) losses: Vec<f64>,
}

impl Ended {
    /// The mean of the losses.
    pub(super) fn mean(&self) -> f64 {
        regimen_tensor::stats::mean(&self.losses)
    }

    /// The mean of the losses by feedback, at the end.
    pub(super) fn feedback(&self) -> f64 {
        -regimen_tensor::stats::mean(self.run.feedback())
    }

    /// The mean share of the source.
    pub(super) fn source(&self) -> f64 {
        self.run.mean_weights().map_or(f64::NAN, |mean| mean[0])
    }
}

impl Field {
    /// Of each text, the source first, nine tenths for training, a twentieth for feedback and one for the end; the model has so many hidden units.
    ///
    /// # Errors
    /// If a text is too short.
    pub(super) fn new(
        texts: &[&Text],
        hidden: usize,
        sizes: Sizes,
        rate: f64,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        ensure!(texts.len() > 1, "a source and a field are needed");
        let plain = device.clone().inner();
        let (mut data, mut kept, mut domains) = (Vec::<Windows>::new(), Vec::new(), Vec::new());
        let (mut feedback, mut judges) = (Vec::new(), Vec::new());
        for (domain, text) in texts.iter().enumerate() {
            let (mut train, rest) = text.split(0.9);
            let (seen, unseen) = rest.split(0.5);
            train.symbols.truncate(CHARACTERS);
            let windows = TokenWindows::new(train.symbols.clone(), WINDOW)?.with_stride(STRIDE)?;
            domains.extend(vec![domain; windows.len()]);
            data.push(Arc::new(windows));
            kept.push(Arc::new(train));
            feedback.push(seen.even(sizes.windows[0], WINDOW, &plain));
            judges.push(unseen.even(sizes.windows[1], WINDOW, &plain));
        }
        device.seed(seed);
        let model = CharWindowConfig::new().with_hidden(hidden).init(device);
        let source = TextLoader::new(kept[0].clone(), sizes.base, BATCH, WINDOW, seed, device);
        let mut constant = LrSchedule::new(Constant::new(rate)?);
        let base = fit(model, &source, &mut adam(0.99), &mut constant, 1)?;
        Ok(Self {
            data,
            texts: kept,
            domains,
            feedback,
            judges,
            base,
            sizes,
            rate,
            seed,
            device: device.clone(),
        })
    }

    /// Minus the loss of each domain.
    fn measures(&self, model: &CharWindow) -> Vec<f64> {
        let batches = self.feedback.iter();
        batches
            .map(|batch| -batch_loss(model, batch.clone()))
            .collect()
    }

    /// A run from the base, by this policy.
    ///
    /// # Errors
    /// If the policy can't serve it.
    pub(super) fn run(&self, policy: &impl MixturePolicy) -> Result<Ended> {
        let domains = self.data.len();
        let mixture = MixtureConfig::new(vec![1.0; domains])
            .with_length(self.sizes.updates * BATCH)
            .with_seed(self.seed)
            .init(&self.domains)?;
        let sampler = AgentMixture::new(mixture, self.measures(&self.base), policy)?;
        let data = Arc::new(ComposedDataset::new(self.data.clone()));
        let batcher = Arc::new(WindowBatcher::default());
        let loader: CurriculumLoader<AgentMixture, Vec<u8>, TextBatch> =
            CurriculumLoader::new(sampler, data, batcher, BATCH, &self.device)?;
        let feedback = loader.feedback();
        let mut model = self.base.clone();
        let mut optim = adam(0.99);
        let mut constant = LrSchedule::new(Constant::new(self.rate)?);
        for step in 1..=self.sizes.steps {
            model = fit(model, &loader, &mut optim, &mut constant, 1)?;
            let measures = self.measures(&model);
            feedback.with_sampler(|sampler| {
                if step < self.sizes.steps {
                    sampler.report(measures, policy)
                } else {
                    sampler.finish(measures)
                }
            })??;
        }
        let run = feedback.with_sampler(|sampler| sampler.run().clone())?;
        let judged = self.judges.iter();
        let losses = judged.map(|batch| batch_loss(&model, batch.clone()));
        Ok(Ended {
            run,
            losses: losses.collect(),
            model,
        })
    }
}
