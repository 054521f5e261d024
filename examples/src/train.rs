//! A quiet training loop that calls Burn's own traits, accuracies, and losses on text.

use anyhow::Result;
use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::LrScheduler;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Int, Tensor};
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use regimen_tensor::per_example::cross_entropy;

use crate::data::{ImageBatch, Images, Text, TextBatch};
use crate::models::{CharTransformer, CharTransformerConfig, CharWindow, CharWindowConfig};

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

/// A model of characters that trains on windows of text.
pub trait CharModel: Module + TrainStep<Input = TextBatch, Output = ClassificationOutput> {
    /// The model of the default size, drawn from the device's generator.
    fn untrained(device: &Device) -> Self;

    /// The logits of all symbols that it predicts in a batch, `[predictions, symbols]`, and these symbols, `[predictions]`.
    fn predictions(&self, batch: TextBatch) -> (Tensor<2>, Tensor<1, Int>);
}

/// Predicts the symbol after each window.
impl CharModel for CharWindow {
    fn untrained(device: &Device) -> Self {
        CharWindowConfig::new().init(device)
    }

    fn predictions(&self, batch: TextBatch) -> (Tensor<2>, Tensor<1, Int>) {
        (self.forward(batch.windows), batch.next)
    }
}

/// Predicts the symbol after each place of a window.
impl CharModel for CharTransformer {
    fn untrained(device: &Device) -> Self {
        CharTransformerConfig::new().init(device)
    }

    fn predictions(&self, batch: TextBatch) -> (Tensor<2>, Tensor<1, Int>) {
        let [count, window] = batch.windows.dims();
        let within = batch.windows.clone().narrow(1, 1, window - 1);
        let next = Tensor::cat(vec![within, batch.next.reshape([count, 1])], 1);
        let logits = self.forward(batch.windows);
        (logits.flatten(0, 1), next.reshape([count * window]))
    }
}

/// One training step of a model of characters: forward, mean cross-entropy, backward.
pub fn predict<M: Module>(
    model: &M,
    batch: TextBatch,
    net: &impl CharModel,
) -> TrainOutput<ClassificationOutput> {
    let (logits, next) = net.predictions(batch);
    let loss = cross_entropy(logits.clone(), next.clone()).mean();
    let grads = loss.backward();
    let output = ClassificationOutput::new(loss, logits, next);
    TrainOutput::new(model, grads, output)
}

impl TrainStep for CharWindow {
    type Input = TextBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: TextBatch) -> TrainOutput<ClassificationOutput> {
        predict(self, batch, self)
    }
}

impl TrainStep for CharTransformer {
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
pub fn batch_loss(model: &impl CharModel, batch: TextBatch) -> f64 {
    let (logits, next) = model.valid().predictions(batch);
    mean(cross_entropy(logits, next))
}

/// The mean of a vector of losses.
#[must_use]
pub fn mean(losses: Tensor<1>) -> f64 {
    f64::from(losses.mean().into_scalar::<f32>())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_transformer_predicts_the_symbol_after_every_place() {
        let device = Device::flex();
        let text = Text::prose().unwrap();
        let batch = text.even(2, 8, &device);
        let model = CharTransformer::untrained(&device);
        let (logits, next) = model.predictions(batch);
        assert_eq!(logits.dims(), [16, 96]);
        let next: Vec<i64> = next.into_data().convert::<i64>().try_to_vec().unwrap();
        let second = (text.symbols.len() - 8) / 2;
        let expected = [0, second].into_iter();
        let expected = expected.flat_map(|at| &text.symbols[at + 1..=at + 8]);
        assert_eq!(next, expected.copied().map(i64::from).collect::<Vec<_>>());
    }
}
