//! Many small perceptrons as one module: hundreds train in the time of a few.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::data::{ImageBatch, Images};
use crate::optim::sgd;

/// Perceptrons of one shape.
#[derive(Config, Debug)]
pub struct EnsembleConfig {
    /// How many.
    pub members: usize,
    /// Widths from the inputs to the outputs, at least two.
    pub sizes: Vec<usize>,
}

/// Perceptrons with ReLU whose weights are stacked, `[members, inputs, outputs]` a layer.
#[derive(Module, Debug)]
pub struct Ensemble {
    weights: Vec<Param<Tensor<3>>>,
    biases: Vec<Param<Tensor<3>>>,
}

impl EnsembleConfig {
    /// Draws the weights from the device's generator: He's uniform law for weights, `1 / sqrt(inputs)` for biases.
    #[must_use]
    pub fn init(&self, device: &Device) -> Ensemble {
        let draw = |bound: f64, shape: [usize; 3]| {
            let law = Distribution::Uniform(-bound, bound);
            Param::from_tensor(Tensor::random(shape, law, device))
        };
        let pairs = || self.sizes.windows(2);
        let weights = pairs().map(|pair| {
            let bound = (6.0 / pair[0] as f64).sqrt();
            draw(bound, [self.members, pair[0], pair[1]])
        });
        let weights = weights.collect();
        let biases = pairs().map(|pair| {
            let bound = (pair[0] as f64).sqrt().recip();
            draw(bound, [self.members, 1, pair[1]])
        });
        Ensemble {
            weights,
            biases: biases.collect(),
        }
    }
}

impl Ensemble {
    /// How many perceptrons.
    #[must_use]
    pub fn members(&self) -> usize {
        self.weights.first().map_or(0, |weight| weight.dims()[0])
    }

    /// Inputs of each member, `[members, batch, inputs]`, or of all, `[1, batch, inputs]`, to logits
    /// `[members, batch, classes]`.
    #[must_use]
    pub fn forward(&self, inputs: Tensor<3>) -> Tensor<3> {
        let mut x = inputs;
        for (i, (weight, bias)) in self.weights.iter().zip(&self.biases).enumerate() {
            x = x.matmul(weight.val()) + bias.val();
            if i + 1 < self.weights.len() {
                x = relu(x);
            }
        }
        x
    }

    /// The same inputs `[batch, inputs]` for all members; logits side by side,
    /// `[batch, members * classes]`.
    #[must_use]
    pub fn side_by_side(&self, inputs: Tensor<2>) -> Tensor<2> {
        let logits = self.forward(inputs.unsqueeze_dim(0));
        let [members, batch, classes] = logits.dims();
        logits.swap_dims(0, 1).reshape([batch, members * classes])
    }

    /// One member, as an ensemble of its own with parameters of its own.
    #[must_use]
    pub fn member(&self, index: usize) -> Self {
        let part = |params: &[Param<Tensor<3>>]| {
            let cut = |param: &Param<Tensor<3>>| {
                let values = param.val().inner().narrow(0, index, 1);
                Param::from_tensor(Tensor::from_inner(values).require_grad())
            };
            params.iter().map(cut).collect()
        };
        Self {
            weights: part(&self.weights),
            biases: part(&self.biases),
        }
    }
}

/// How an ensemble is trained: SGD with momentum 0.9 and weight decay 5e-4.
#[derive(Config, Debug)]
pub struct TrainEnsembleConfig {
    /// Passes over each member's images.
    #[config(default = 15)]
    pub epochs: usize,
    /// Learning rate.
    #[config(default = 0.05)]
    pub rate: f64,
    /// Images of a member in a step; what is left of an epoch over whole batches is not used.
    #[config(default = 20)]
    pub batch: usize,
    /// Seed of the orders.
    #[config(default = 0)]
    pub seed: u64,
}

impl TrainEnsembleConfig {
    /// The optimizer: SGD with momentum and weight decay.
    #[must_use]
    pub fn optimizer(&self) -> ModuleOptimizer {
        sgd(5e-4)
    }

    /// Trains every member on images of its own, all at once; the sets must be of one size.
    #[must_use]
    pub fn fit(&self, mut model: Ensemble, images: &Images, sets: &[Vec<usize>]) -> Ensemble {
        let device = model.weights[0].device();
        let data = EnsembleData::new(images, &device);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut optim = self.optimizer();
        let mut orders = sets.to_vec();
        let steps = orders.first().map_or(0, |order| order.len() / self.batch);
        for _ in 0..self.epochs {
            orders.iter_mut().for_each(|order| order.shuffle(&mut rng));
            for step in 0..steps {
                let span = step * self.batch..(step + 1) * self.batch;
                let batches = orders.iter().map(|order| &order[span.clone()]);
                let (inputs, targets) = data.gather(batches);
                let loss = cross_entropy(model.forward(inputs), targets);
                let grads = GradientsParams::from_grads(loss.backward(), &model);
                model = optim.step(self.rate, model, grads);
            }
        }
        model
    }
}

/// Images and one-hot classes on a device, from which every member takes a batch of its own.
#[derive(Clone, Debug)]
pub struct EnsembleData {
    images: Tensor<2>,
    targets: Tensor<2>,
}

impl EnsembleData {
    /// Puts images on a device.
    #[must_use]
    pub fn new(images: &Images, device: &Device) -> Self {
        let classes = images.classes;
        let ImageBatch { images, labels } = images.batch(device);
        let targets = labels.one_hot(classes).float();
        Self { images, targets }
    }

    /// The images, `[images, pixels]`.
    #[must_use]
    pub fn images(&self) -> Tensor<2> {
        self.images.clone()
    }

    /// Images `[members, batch, pixels]` and targets `[members, batch, classes]` at these positions, one batch a member, all
    /// of one size.
    pub fn gather<'a>(
        &self,
        batches: impl ExactSizeIterator<Item = &'a [usize]>,
    ) -> (Tensor<3>, Tensor<3>) {
        let members = batches.len();
        let chosen: Vec<i64> = batches.flatten().map(|i| *i as i64).collect();
        let count = chosen.len();
        let chosen = TensorData::new(chosen, [count]);
        let chosen = Tensor::<1, Int>::from_data(chosen, &self.images.device());
        let part = |all: &Tensor<2>| {
            let rows = all.clone().select(0, chosen.clone());
            let [_, width] = rows.dims();
            rows.reshape([members, count / members, width])
        };
        (part(&self.images), part(&self.targets))
    }
}

/// The sum over members of the mean cross-entropy of a batch, `[1]`: logits `[members, batch, classes]`, one-hot
/// targets of the same shape or `[1, batch, classes]`.
#[must_use]
pub fn cross_entropy(logits: Tensor<3>, targets: Tensor<3>) -> Tensor<1> {
    let batch = logits.dims()[1] as f64;
    -(log_softmax(logits, 2) * targets).sum() / batch
}
