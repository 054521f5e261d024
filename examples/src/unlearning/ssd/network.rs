//! The perceptron that forgets, and the rates of the baselines.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use regimen_tensor::per_example::cross_entropy;

use crate::data::ImageBatch;
use crate::models::Mlp;
use crate::train::classify;

/// A perceptron as Burn's learner trains it.
#[derive(Module, Debug)]
pub(super) struct Network {
    pub(super) net: Mlp,
}

impl TrainStep for Network {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> TrainOutput<ClassificationOutput> {
        classify(self, batch, |model, images| model.net.forward(images))
    }
}

pub(super) fn loss(model: &Network, batch: ImageBatch) -> Tensor<1> {
    cross_entropy(model.net.forward(batch.images), batch.labels).mean()
}

/// Adam's rates of the baselines that train with it: one that forgets in the hundred steps of this size, and the paper's,
/// whose epochs have four hundred.
pub(super) const RATES: [(f64, [&str; 2]); 2] = [
    (1e-3, ["amnesiac", "bad teacher"]),
    (1e-4, ["amnesiac, rate 1e-4", "bad teacher, rate 1e-4"]),
];
