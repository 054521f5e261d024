//! What the experiments on continual learning share: a set of images as tasks of a few classes, a small network, and the loop over both.

use std::sync::Arc;

use anyhow::Result;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use regimen_continual::projections::Layers;
use regimen_continual::scenario::{ClassIncremental, ClassOrder, Scenario};
use regimen_continual::{AccuracyMatrix, Classifier, Encoder, Steps, Strategy, Task};

use crate::data::{ImageBatcher, ImageItem, Images};

/// Images `[batch, pixels]` and their classes `[batch]`.
pub type Batch = (Tensor<2>, Tensor<1, Int>);

/// A perceptron with ReLU, as methods of continual learning see a classifier: logits, features, and what enters each layer.
#[derive(Module, Debug)]
pub struct Net {
    hidden: Vec<Linear>,
    head: Linear,
}

impl Net {
    /// Of these widths, from the pixels to the classes; the weights are drawn from the device's generator.
    #[must_use]
    pub fn new(pixels: usize, hidden: &[usize], classes: usize, device: &Device) -> Self {
        let widths = [&[pixels], hidden].concat();
        let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(device);
        Self {
            hidden: widths.windows(2).map(layer).collect(),
            head: LinearConfig::new(widths[widths.len() - 1], classes).init(device),
        }
    }

    /// With a head that is drawn anew from the device's generator.
    #[must_use]
    pub fn with_new_head(mut self, device: &Device) -> Self {
        let [width, classes] = self.head.weight.dims();
        self.head = LinearConfig::new(width, classes).init(device);
        self
    }

    /// What enters each layer, the head last.
    fn entering(&self, images: Tensor<2>) -> Vec<Tensor<2>> {
        let mut entering = vec![images];
        for layer in &self.hidden {
            let last = entering[entering.len() - 1].clone();
            entering.push(relu(layer.forward(last)));
        }
        entering
    }
}

impl Classifier for Net {
    type Batch = Batch;

    fn logits(&self, batch: &Batch) -> Tensor<2> {
        self.head.forward(self.features(batch))
    }
}

impl Encoder for Net {
    fn features(&self, (images, _): &Batch) -> Tensor<2> {
        let layers = self.hidden.iter();
        layers.fold(images.clone(), |x, layer| relu(layer.forward(x)))
    }
}

impl Layers for Net {
    fn layer_inputs(
        &self,
        (images, _): &Batch,
    ) -> regimen_continual::Result<Vec<(String, Tensor<2>)>> {
        let hidden = (0..self.hidden.len()).map(|layer| format!("hidden.{layer}.weight"));
        let paths = hidden.chain(["head.weight".to_owned()]);
        Ok(paths.zip(self.entering(images.clone())).collect())
    }
}

/// A task: its classes, its images to train on, and those to test on.
#[derive(Clone, Debug)]
pub struct Part {
    /// Number, classes and size.
    pub task: Task,
    /// Training images.
    pub train: Images,
    /// Test images.
    pub test: Images,
}

impl Part {
    /// Shuffled batches of the training images, another order in each epoch.
    #[must_use]
    pub fn loader(&self, batch: usize, seed: u64, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        loader(&self.train, batch, seed, device)
    }
}

/// Shuffled batches of images, another order in each epoch.
#[must_use]
pub fn loader(
    images: &Images,
    batch: usize,
    seed: u64,
    device: &Device,
) -> Arc<dyn DataLoader<Batch>> {
    DataLoaderBuilder::new(Pairs)
        .batch_size(batch)
        .shuffle(seed)
        .set_device(device.clone())
        .build(images.clone())
}

/// All images as one batch.
#[must_use]
pub fn whole(images: &Images, device: &Device) -> Batch {
    let batch = images.batch(device);
    (batch.images, batch.labels)
}

#[derive(Clone, Copy, Debug)]
struct Pairs;

impl Batcher<ImageItem, Batch> for Pairs {
    fn batch(&self, items: Vec<ImageItem>, device: &Device) -> Batch {
        let batch = ImageBatcher.batch(items, device);
        (batch.images, batch.labels)
    }
}

/// Disjoint tasks of two classes each (the first ones have three if their number is odd), in an order of classes that the seed
/// shuffles: three quarters of the images to train, standardised by them, one quarter to test.
///
/// # Errors
/// If there are fewer than four classes.
pub fn tasks(images: &Images, seed: u64) -> Result<Vec<Part>> {
    let parts = images.split_standardised(&[0.75, 0.25]);
    Images::check_parts(&parts)?;
    let order = ClassOrder::new(images.classes, images.classes / 2)?.shuffled(seed);
    let scenario = ClassIncremental::new(order);
    let [train, test] = [
        scenario.train(&parts[0].labels)?,
        scenario.test(&parts[1].labels)?,
    ];
    let pairs = train.into_iter().zip(test);
    let part = pairs.map(|(train, test)| Part {
        train: parts[0].select(&train.examples),
        test: parts[1].select(&test.examples),
        task: train.task,
    });
    Ok(part.collect())
}

/// How each task is trained: plain SGD, with gradients of a larger norm than 5 clipped (each parameter's by itself, as Burn does).
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// Learning rate.
    pub rate: f64,
    /// Images a batch.
    pub batch: usize,
    /// Epochs a task.
    pub epochs: usize,
}

impl Training {
    /// The optimizer of a task, or of all.
    #[must_use]
    pub fn optimizer(&self) -> ModuleOptimizer {
        SgdConfig::new()
            .with_gradient_clipping(Some(GradientClippingConfig::Norm(5.0)))
            .init()
    }
}

/// Training that does nothing against forgetting: the lower bound.
#[derive(Clone, Debug, Default)]
pub struct Naive(Steps);

impl<M: Classifier> Strategy<M> for Naive {
    fn steps(&self) -> &Steps {
        &self.0
    }
}

/// What a run over all tasks gave.
#[derive(Clone, Debug)]
pub struct Learned<M> {
    /// The model after the last task.
    pub model: M,
    /// Accuracies in percent, the model choosing among all classes.
    pub classes: AccuracyMatrix,
    /// Accuracies in percent, the model choosing among the classes of the image's task.
    pub within: AccuracyMatrix,
}

/// Learns the tasks one after another with a strategy, and tests on all tasks so far after each.
///
/// # Errors
/// Those of the strategy, and of the loader.
pub fn learn<M, S>(
    model: M,
    parts: &[Part],
    training: &Training,
    strategy: &S,
    seed: u64,
    device: &Device,
) -> Result<Learned<M>>
where
    M: Classifier<Batch = Batch>,
    S: Strategy<M> + ?Sized,
{
    learn_by(
        model,
        parts,
        training,
        strategy,
        seed,
        device,
        |model, batch| {
            let loss = strategy.loss(model, batch)?;
            Ok(GradientsParams::from_grads(loss.backward(), model))
        },
    )
}

/// As [`learn`], with the gradients of a step by `gradients`: those of a loss of one's own, or of a copy of the model.
///
/// # Errors
/// As for [`learn`], and those of `gradients`.
pub fn learn_by<M, S>(
    model: M,
    parts: &[Part],
    training: &Training,
    strategy: &S,
    seed: u64,
    device: &Device,
    gradients: impl FnMut(&M, &Batch) -> Result<GradientsParams>,
) -> Result<Learned<M>>
where
    M: Classifier<Batch = Batch>,
    S: Strategy<M> + ?Sized,
{
    let nothing = |_: &M, _: &Part| Ok(());
    learn_watched(
        model, parts, training, strategy, seed, device, gradients, nothing,
    )
}

/// As [`learn_by`], and shows the model to `ended` at the end of each task's training, with the task.
///
/// # Errors
/// As for [`learn_by`], and those of `ended`.
#[allow(
    clippy::too_many_arguments,
    reason = "those of `learn_by` and one more"
)]
pub fn learn_watched<M, S>(
    mut model: M,
    parts: &[Part],
    training: &Training,
    strategy: &S,
    seed: u64,
    device: &Device,
    mut gradients: impl FnMut(&M, &Batch) -> Result<GradientsParams>,
    mut ended: impl FnMut(&M, &Part) -> Result<()>,
) -> Result<Learned<M>>
where
    M: Classifier<Batch = Batch>,
    S: Strategy<M> + ?Sized,
{
    let mut classes = AccuracyMatrix::new(parts.len())?;
    let mut within = classes.clone();
    let mut optim = training.optimizer();
    for (after, part) in parts.iter().enumerate() {
        model = strategy.before_task(model, &part.task)?;
        let loader = part.loader(training.batch, seed + after as u64, device);
        for _ in 0..training.epochs {
            for batch in loader.iter() {
                let grads = gradients(&model, &batch?)?;
                model = strategy.update(model, &mut optim, training.rate.into(), grads.into());
            }
        }
        if let Err(error) = strategy.status() {
            anyhow::bail!("a step failed: {error}");
        }
        ended(&model, part)?;
        model = strategy.after_task(model, &*loader)?;
        test(&model, &parts[..=after], strategy, device, |on, among| {
            classes.set(after, on, among[0])?;
            Ok(within.set(after, on, among[1])?)
        })?;
    }
    Ok(Learned {
        model,
        classes,
        within,
    })
}

/// The accuracies on each part's test images, in percent: among all classes, and among its own.
///
/// # Errors
/// If the strategy knows no class yet, and those of `found`.
pub fn test<M, S>(
    model: &M,
    parts: &[Part],
    strategy: &S,
    device: &Device,
    mut found: impl FnMut(usize, [f64; 2]) -> Result<()>,
) -> Result<()>
where
    M: Classifier<Batch = Batch>,
    S: Strategy<M> + ?Sized,
{
    let model = model.valid();
    for (on, part) in parts.iter().enumerate() {
        let batch = whole(&part.test, &device.clone().inner());
        let logits = strategy.logits(&model, &batch)?;
        let within = part.task.mask(logits.clone());
        found(on, [logits, within].map(|scores| right(scores, &batch.1)))?;
    }
    Ok(())
}

/// The share of rows, in percent, whose label has the highest score.
#[must_use]
pub fn right(scores: Tensor<2>, labels: &Tensor<1, Int>) -> f64 {
    let [rows, _] = scores.dims();
    let found = scores.argmax(1).reshape([-1]);
    let right = found.equal(labels.clone()).int().sum();
    100.0 * right.into_scalar::<i64>() as f64 / rows.max(1) as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use regimen_continual::DerPlusPlusConfig;
    use regimen_continual::memory::MemoryConfig;

    use super::*;

    /// The last task is known, the first is forgotten; with a memory less of it; under the mask neither.
    #[test]
    fn naive_training_forgets_and_replay_does_less() {
        let device = Device::default().autodiff();
        let parts = tasks(&Images::digits().unwrap().at_most(600), 0).unwrap();
        assert_eq!(parts.len(), 5);
        let training = Training {
            rate: 0.05,
            batch: 16,
            epochs: 5,
        };
        let net = || {
            device.seed(0);
            Net::new(64, &[64], 10, &device)
        };
        let naive = Naive::default();
        let naive = learn(net(), &parts, &training, &naive, 0, &device).unwrap();
        let der = DerPlusPlusConfig::new(MemoryConfig::reservoir(50))
            .init(&net())
            .unwrap();
        let replay = learn(net(), &parts, &training, &der, 0, &device).unwrap();
        let first = |learned: &Learned<Net>| learned.classes.get(4, 0).unwrap();
        assert!(naive.classes.get(4, 4).unwrap() > 90.0);
        assert!(first(&naive) < 20.0, "{}", first(&naive));
        assert!(first(&replay) > first(&naive) + 20.0, "{}", first(&replay));
        let within = naive.within.get(4, 0).unwrap();
        assert!(within > first(&naive) + 40.0, "{within}");
    }
}
