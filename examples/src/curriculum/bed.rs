//! A perceptron on labelled images that are named by their places: what the experiments of selection train.

use anyhow::Result;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use regimen_tensor::per_example::cross_entropy;

use crate::data::{ImageBatch, Images};
use crate::models::{Mlp, MlpConfig};
use crate::optim::adam;

/// Images of a step.
pub(super) const BATCH: usize = 32;

/// Labelled inputs on a device, to train on and to predict for.
pub(super) struct Rows {
    inputs: Tensor<2>,
    labels: Tensor<1, Int>,
    plain: ImageBatch,
}

impl Rows {
    /// Puts images on a device with autodiff.
    pub(super) fn new(images: &Images, device: &Device) -> Self {
        let ImageBatch {
            images: inputs,
            labels,
        } = images.batch(device);
        Self {
            inputs,
            labels,
            plain: images.batch(&device.clone().inner()),
        }
    }

    /// Values of one example.
    pub(super) fn width(&self) -> usize {
        self.inputs.dims()[1]
    }

    fn batch(&self, ids: &[usize]) -> (Tensor<2>, Tensor<1, Int>) {
        let ids: Vec<i64> = ids.iter().map(|id| *id as i64).collect();
        let ids = TensorData::new(ids.clone(), [ids.len()]);
        let ids = Tensor::<1, Int>::from_data(ids, &self.inputs.device());
        let inputs = self.inputs.clone().select(0, ids.clone());
        (inputs, self.labels.clone().select(0, ids))
    }
}

/// A perceptron and its Adam.
pub(super) struct Learner {
    net: Mlp,
    optim: ModuleOptimizer,
    rate: f64,
}

impl Learner {
    /// Widths from the inputs to the classes; the seed decides the weights.
    pub(super) fn new(sizes: Vec<usize>, rate: f64, seed: u64, device: &Device) -> Self {
        device.seed(seed);
        Self {
            net: MlpConfig::new(sizes).init(device),
            optim: adam(0.999),
            rate,
        }
    }

    /// One step on the examples at these places.
    pub(super) fn step(&mut self, rows: &Rows, ids: &[usize]) {
        let (inputs, labels) = rows.batch(ids);
        let loss = cross_entropy(self.net.forward(inputs), labels).mean();
        let grads = GradientsParams::from_grads(loss.backward(), &self.net);
        self.net = self.optim.step(self.rate, self.net.clone(), grads);
    }

    fn logits(&self, rows: &Rows) -> Tensor<2> {
        self.net.valid().forward(rows.plain.images.clone())
    }

    /// The loss of every example.
    pub(super) fn losses(&self, rows: &Rows) -> Result<Vec<f32>> {
        let losses = cross_entropy(self.logits(rows), rows.plain.labels.clone());
        Ok(losses.try_into_vec_as::<f32>()?)
    }

    /// The class that each example is given.
    pub(super) fn classes(&self, rows: &Rows) -> Result<Vec<usize>> {
        let found = self.logits(rows).argmax(1).reshape([-1]);
        let found = found.try_into_vec_as::<i64>()?;
        Ok(found.into_iter().map(|class| class as usize).collect())
    }

    /// The share of examples, in percent, that get their label the highest logit.
    pub(super) fn accuracy(&self, rows: &Rows) -> f64 {
        let found = self.logits(rows).argmax(1).reshape([-1]);
        let right = found.equal(rows.plain.labels.clone()).int().sum();
        100.0 * right.into_scalar::<i64>() as f64 / rows.plain.labels.dims()[0] as f64
    }
}
