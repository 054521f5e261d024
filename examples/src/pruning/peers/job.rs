//! How one method's network is made.

use anyhow::Result;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use regimen_pruning::after::{Pattern, Rule, prune};
use regimen_pruning::{Fixed, Layout, Masks, Movement, MovementConfig, Pruner, TopKast};
use regimen_schedules::LrSchedule;
use regimen_tensor::ParamVector;
use regimen_tensor::per_example::cross_entropy;

use super::super::granet::{Pruned, Steps};
use crate::data::{ImageBatch, Images};
use crate::experiment::Context;
use crate::models::Mlp;
use crate::optim::sgd;
use crate::train::{classify, fit};

const BATCH: usize = 32;
pub(super) const EPOCHS: usize = 40;

/// One seed at one sparsity.
pub(super) struct Job<'a> {
    pub(super) context: &'a Context,
    pub(super) parts: &'a [Images],
    /// The network before training: the same for every method.
    pub(super) start: Mlp,
    pub(super) sparsity: f64,
    pub(super) seed: u64,
}

impl Job<'_> {
    pub(super) fn density(&self) -> f64 {
        1.0 - self.sparsity
    }

    pub(super) fn steps(&self, epochs: usize) -> usize {
        epochs * self.parts[0].labels.len().div_ceil(BATCH)
    }

    /// The network before training.
    pub(super) fn net(&self) -> Mlp {
        self.start.clone()
    }

    pub(super) fn dense(&self) -> Result<Masks> {
        Ok(Masks::dense(&self.net())?)
    }

    pub(super) fn random(&self, layout: Layout) -> Result<Masks> {
        Ok(self.dense()?.random(layout, self.density(), self.seed)?)
    }

    /// The masks of a network's largest weights, over all layers.
    pub(super) fn largest(&self, net: &Mlp) -> Result<Masks> {
        let masks = Masks::dense(net)?;
        let weights = ParamVector::of(net).filter(|entry| entry.shape.len() == 2);
        let scores = weights.map(|_, values| values.abs()).to_host()?;
        Ok(masks.keep_top(&scores, self.density())?)
    }

    /// The gradients of one batch's mean loss, logits divided by `temperature`.
    pub(super) fn gradients(&self, net: &Mlp, temperature: f64) -> GradientsParams {
        let first: Vec<usize> = (0..128).collect();
        let batch = self.parts[0].select(&first).batch(&self.context.device);
        let logits = net.forward(batch.images) / temperature;
        let loss = cross_entropy(logits, batch.labels).mean();
        GradientsParams::from_grads(loss.backward(), net)
    }

    /// The gradients of the summed outputs for an input of ones.
    pub(super) fn flow(&self, net: &Mlp) -> ParamVector {
        let pixels = self.parts[0].pixels_per_image();
        let ones = Tensor::<2>::ones([1, pixels], &self.context.device);
        let grads = net.forward(ones).sum().backward();
        ParamVector::gradients(net, &GradientsParams::from_grads(grads, net))
    }

    pub(super) fn train_masked(&self, masks: Masks, epochs: usize) -> Result<Mlp> {
        self.train(Fixed::init(masks), epochs)
    }

    pub(super) fn train(&self, pruner: Pruner, epochs: usize) -> Result<Mlp> {
        self.train_from(self.net(), pruner, epochs, 1.0)
    }

    /// Trains a network with a pruner, at `scale` times the usual rates.
    pub(super) fn train_from(
        &self,
        net: Mlp,
        pruner: Pruner,
        epochs: usize,
        scale: f64,
    ) -> Result<Mlp> {
        let model = Pruned {
            net: pruner.mask(net)?,
            pruner: pruner.clone(),
        };
        let net = self.fit(model, epochs, scale, 5e-4)?.net;
        pruner.status()?;
        Ok(net)
    }

    pub(super) fn train_movement(&self, net: Mlp, config: &MovementConfig) -> Result<Mlp> {
        let movement = config.init(&net)?;
        let model = Moved {
            net,
            movement: movement.clone(),
        };
        let net = self.fit(model, EPOCHS / 4, 0.1, 5e-4)?.net;
        movement.status()?;
        Ok(net)
    }

    /// A trained network pruned by a rule that looks at what enters each layer for 128 training images.
    pub(super) fn one_shot(&self, rule: Rule, pattern: Pattern) -> Result<Mlp> {
        let trained = self.train_masked(self.dense()?, EPOCHS)?;
        let first: Vec<usize> = (0..128).collect();
        let images = self.parts[0].select(&first).batch(&self.context.device);
        let mut layers = 0..;
        // Layers come in their order.
        let enters =
            |net: &Mlp, _: &str| net.entering(layers.next().unwrap_or(0), images.images.clone());
        Ok(prune(trained, self.dense()?, rule, pattern, enters)?.0)
    }

    pub(super) fn train_kast(&self, kast: &TopKast) -> Result<Mlp> {
        let model = Kast {
            net: kast.mask(self.net())?,
            kast: kast.clone(),
        };
        // The exploration penalty stands in the place of weight decay.
        let net = self.fit(model, EPOCHS, 1.0, 0.0)?.net;
        kast.status()?;
        Ok(net)
    }

    fn fit<M>(&self, model: M, epochs: usize, scale: f64, decay: f32) -> Result<M>
    where
        M: TrainStep<Input = ImageBatch> + Module,
    {
        use regimen_schedules::ScheduleExt;
        let loader = self.parts[0].shuffled(BATCH, self.seed, &self.context.device);
        let mut rate = LrSchedule::new(Steps(self.steps(epochs)).scaled(scale)?);
        fit(model, loader.as_ref(), &mut sgd(decay), &mut rate, epochs)
    }
}

/// A network that is fine-tuned by movement pruning.
#[derive(Module, Debug)]
struct Moved {
    net: Mlp,
    #[module(skip)]
    movement: Movement,
}

impl TrainStep for Moved {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> TrainOutput<ClassificationOutput> {
        classify(self, batch, |model, images| model.net.forward(images))
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.movement.clone().optimize(self, optim, lr, grads)
    }
}

/// A network that trains by Top-KAST.
#[derive(Module, Debug)]
struct Kast {
    net: Mlp,
    #[module(skip)]
    kast: TopKast,
}

impl TrainStep for Kast {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> TrainOutput<ClassificationOutput> {
        classify(self, batch, |model, images| model.net.forward(images))
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.kast.clone().optimize(self, optim, lr, grads)
    }
}
