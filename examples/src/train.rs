//! A quiet training loop that calls Burn's own traits, accuracies, and losses on text.

use anyhow::Result;
use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::LrScheduler;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use regimen_tensor::per_example::cross_entropy;

use crate::data::{ImageBatch, Images, Text, TextBatch};
use crate::models::CharWindow;

/// Trains for some epochs as Burn's own learner does, without rendering anything: every batch goes
/// through [`TrainStep::step`] and [`TrainStep::optimize`], and the scheduler steps before it.
///
/// # Errors
/// The first error of the loader.
pub fn fit<M>(
    model: M,
    loader: &dyn DataLoader<M::Input>,
    optim: &mut ModuleOptimizer,
    scheduler: &mut dyn LrScheduler,
    epochs: usize,
) -> Result<M>
where
    M: TrainStep + Module,
{
    fit_watched(model, loader, optim, scheduler, epochs, |_, _| ())
}

/// As [`fit`], and shows the model after each update, with how many there were.
///
/// # Errors
/// The first error of the loader.
pub fn fit_watched<M>(
    mut model: M,
    loader: &dyn DataLoader<M::Input>,
    optim: &mut ModuleOptimizer,
    scheduler: &mut dyn LrScheduler,
    epochs: usize,
    mut watch: impl FnMut(usize, &M),
) -> Result<M>
where
    M: TrainStep + Module,
{
    let mut updates = 0;
    for _ in 0..epochs {
        for batch in loader.iter() {
            let lr = scheduler.step();
            let output = model.step(batch?);
            model = model.optimize(optim, lr.into(), output.grads);
            updates += 1;
            watch(updates, &model);
        }
    }
    Ok(model)
}

/// One training step of a classifier: forward, mean cross-entropy, backward.
pub fn classify<M: Module>(
    model: &M,
    batch: ImageBatch,
    forward: impl Fn(&M, Tensor<2>) -> Tensor<2>,
) -> TrainOutput<ClassificationOutput> {
    let logits = forward(model, batch.images);
    let loss = cross_entropy(logits.clone(), batch.labels.clone()).mean();
    let grads = loss.backward();
    let output = ClassificationOutput::new(loss, logits, batch.labels);
    TrainOutput::new(model, grads, output)
}

/// The share of images, in percent, that get their own class the highest logit.
#[must_use]
pub fn accuracy(images: &Images, device: &Device, forward: impl Fn(Tensor<2>) -> Tensor<2>) -> f64 {
    let batch = images.batch(&device.clone().inner());
    let found = forward(batch.images).argmax(1).reshape([-1]);
    let right = found.equal(batch.labels).int().sum().into_scalar::<i64>();
    100.0 * right as f64 / images.labels.len() as f64
}

/// Windows that a validation loss is the mean of.
const VALIDATION: usize = 8192;

/// One training step of a model of characters: forward, mean cross-entropy, backward.
pub fn predict<M: Module>(
    model: &M,
    batch: TextBatch,
    net: &CharWindow,
) -> TrainOutput<ClassificationOutput> {
    let logits = net.forward(batch.windows);
    let loss = cross_entropy(logits.clone(), batch.next.clone()).mean();
    let grads = loss.backward();
    let output = ClassificationOutput::new(loss, logits, batch.next);
    TrainOutput::new(model, grads, output)
}

impl TrainStep for CharWindow {
    type Input = TextBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: TextBatch) -> TrainOutput<ClassificationOutput> {
        predict(self, batch, self)
    }
}

/// The mean cross-entropy over 8,192 windows at even distances, in nats.
#[must_use]
pub fn text_loss(model: &CharWindow, text: &Text, window: usize, device: &Device) -> f64 {
    let batch = text.even(VALIDATION, window, &device.clone().inner());
    batch_loss(model, batch)
}

/// The mean cross-entropy over the windows of a batch, in nats.
#[must_use]
pub fn batch_loss(model: &CharWindow, batch: TextBatch) -> f64 {
    let logits = model.valid().forward(batch.windows);
    mean(cross_entropy(logits, batch.next))
}

/// The mean of a vector of losses.
#[must_use]
pub fn mean(losses: Tensor<1>) -> f64 {
    f64::from(losses.mean().into_scalar::<f32>())
}
