//! One seed: the data in its parts, plain training, and what is measured of a model.

use std::sync::Arc;

use anyhow::Result;
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use regimen_schedules::{Constant, LrSchedule};
use regimen_unlearning::metrics::softmax_entropy;
use regimen_unlearning::{membership_inference, relabel};

use super::network::Network;
use crate::data::{ImageBatch, Images};
use crate::experiment::{Context, Trial};
use crate::models::MlpConfig;
use crate::optim::{adam, sgd};
use crate::train::{accuracy, fit};

/// Images in a training step.
pub(super) const BATCH: usize = 32;

/// One seed: the data in its parts, and the model that is to forget.
pub(super) struct Job<'a> {
    pub(super) context: &'a Context,
    pub(super) seed: u64,
    pub(super) class: usize,
    pub(super) train: Images,
    pub(super) retain: Images,
    pub(super) forget: Images,
    pub(super) retain_test: Images,
    pub(super) forget_test: Images,
    pub(super) test: Images,
}

impl<'a> Job<'a> {
    pub(super) fn new(context: &'a Context, seed: u64) -> Result<Self> {
        let images = context.images()?;
        let class = seed as usize % images.classes;
        let mut parts = images.split_standardised(&[0.6, 0.4]);
        let (test, train) = (parts.remove(1), parts.remove(0));
        let part = |images: &Images, of_class: bool| {
            let chosen = |i: &usize| (images.labels[*i] == class) == of_class;
            let positions: Vec<usize> = (0..images.labels.len()).filter(chosen).collect();
            images.select(&positions)
        };
        Ok(Self {
            context,
            seed,
            class,
            retain: part(&train, false),
            forget: part(&train, true),
            retain_test: part(&test, false),
            forget_test: part(&test, true),
            train,
            test,
        })
    }

    pub(super) fn batches(&self, images: &Images, size: usize) -> Vec<ImageBatch> {
        let positions: Vec<usize> = (0..images.labels.len()).collect();
        let chunks = positions.chunks(size);
        chunks
            .map(|chunk| images.select(chunk).batch(&self.context.device))
            .collect()
    }

    pub(super) fn epochs(&self) -> usize {
        if self.context.small { 15 } else { 40 }
    }

    /// All training data, nothing to be forgotten apart.
    pub(super) fn everything(&self) -> (Images, Images) {
        (self.train.clone(), self.train.clone())
    }

    pub(super) fn new_model(&self, offset: u64) -> Network {
        self.context.device.seed(self.seed + (offset << 32));
        let (pixels, classes) = (self.train.pixels_per_image(), self.train.classes);
        let config = MlpConfig::new(vec![pixels, 256, 256, classes]);
        Network {
            net: config.init(&self.context.device),
        }
    }

    pub(super) fn sgd(&self, rate: f64) -> (ModuleOptimizer, f64) {
        (sgd(5e-4), rate)
    }

    pub(super) fn adam(&self, rate: f64) -> (ModuleOptimizer, f64) {
        (adam(0.999), rate)
    }

    pub(super) fn train(
        &self,
        model: Network,
        images: &Images,
        (mut optim, rate): (ModuleOptimizer, f64),
        epochs: usize,
    ) -> Result<Network> {
        let loader = self.loader(images, BATCH);
        let mut rate = LrSchedule::new(Constant::new(rate)?);
        fit(model, loader.as_ref(), &mut optim, &mut rate, epochs)
    }

    /// Shuffled batches of some size.
    pub(super) fn loader(&self, images: &Images, batch: usize) -> Arc<dyn DataLoader<ImageBatch>> {
        images.shuffled(batch, self.seed, &self.context.device)
    }

    /// The training data with random wrong labels on the forgotten class.
    pub(super) fn relabelled(&self) -> Result<Images> {
        let mut images = self.train.clone();
        let positions = images.members(self.class);
        let wrong = relabel(
            &vec![self.class; positions.len()],
            images.classes,
            self.seed,
        )?;
        for (position, label) in positions.into_iter().zip(wrong) {
            images.labels[position] = label;
        }
        Ok(images)
    }

    pub(super) fn accuracy(&self, model: &Network, images: &Images) -> f64 {
        let model = model.valid();
        accuracy(images, &self.context.device, |x| model.net.forward(x))
    }

    /// Accuracies and membership inference of a model.
    pub(super) fn measure(&self, trial: &mut Trial, arm: &str, model: &Network) -> Result<()> {
        let valid = model.valid();
        let entropies = |images: &Images| -> Result<Vec<f64>> {
            let batch = images.batch(&self.context.device.clone().inner());
            let entropy = softmax_entropy(valid.net.forward(batch.images));
            Ok(entropy.try_into_vec_as::<f64>()?)
        };
        let attack = membership_inference(
            &entropies(&self.retain)?,
            &entropies(&self.test)?,
            &entropies(&self.forget)?,
        )?;
        trial.record(arm, "main", self.accuracy(model, &self.forget_test));
        trial.record(
            arm,
            "accuracy on the others",
            self.accuracy(model, &self.retain_test),
        );
        trial.record(arm, "membership inference, %", 100.0 * attack);
        Ok(())
    }
}
