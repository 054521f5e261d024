//! Modular addition, and a small residual network of mixtures that learns it.

use anyhow::Result;
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_moe::{Activation, Moe, MoeConfig, Routing};

use super::arm::{Arm, WIDTH};

/// Pairs of numbers with their sums: `(a, b, (a + b) mod p)`.
pub(super) type Pairs = Vec<(usize, usize, usize)>;

/// The pairs to train on and the others.
pub(super) fn pairs(arm: &Arm, seed: u64) -> (Pairs, Pairs) {
    let modulus = arm.modulus;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let all = (0..modulus).flat_map(|a| (0..modulus).map(move |b| (a, b, (a + b) % modulus)));
    let mut all: Pairs = all.collect();
    all.shuffle(&mut random);
    if arm.shuffled {
        let mut answers: Vec<usize> = all.iter().map(|pair| pair.2).collect();
        answers.shuffle(&mut random);
        all.iter_mut()
            .zip(answers)
            .for_each(|(pair, answer)| pair.2 = answer);
    }
    let test = all.split_off((arm.share * all.len() as f64).round() as usize);
    (all, test)
}

/// Pairs on a device.
pub(super) struct Batch {
    first: Tensor<2, Int>,
    second: Tensor<2, Int>,
    pub(super) answers: Tensor<1, Int>,
}

impl Batch {
    pub(super) fn of(pairs: &Pairs, device: &Device) -> Self {
        let column = |values: Vec<usize>| {
            let values: Vec<i64> = values.into_iter().map(|value| value as i64).collect();
            let count = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values, [count]), device)
        };
        let inputs = |values| column(values).unsqueeze_dim::<2>(1);
        Self {
            first: inputs(pairs.iter().map(|pair| pair.0).collect()),
            second: inputs(pairs.iter().map(|pair| pair.1).collect()),
            answers: column(pairs.iter().map(|pair| pair.2).collect()),
        }
    }
}

/// The sum of two embeddings, residual mixtures of experts, and a classifier over the answers.
#[derive(Module, Debug)]
pub(super) struct Adder {
    first: Embedding,
    second: Embedding,
    pub(super) layers: Vec<Moe>,
    head: Linear,
}

impl Adder {
    pub(super) fn new(arm: &Arm, device: &Device) -> Result<Self> {
        let embedding = || EmbeddingConfig::new(arm.modulus, WIDTH).init(device);
        let (first, second) = (embedding(), embedding());
        let config = MoeConfig::new(WIDTH, WIDTH, arm.experts, 2).with_activation(Activation::Relu);
        let layers = (0..arm.layers).map(|_| Ok(config.init(device)?));
        Ok(Self {
            first,
            second,
            layers: layers.collect::<Result<_>>()?,
            head: LinearConfig::new(WIDTH, arm.modulus).init(device),
        })
    }

    /// Logits `[pairs, modulus]`, and the record of each mixture.
    pub(super) fn forward(&self, batch: &Batch) -> (Tensor<2>, Vec<Routing>) {
        let mut x =
            self.first.forward(batch.first.clone()) + self.second.forward(batch.second.clone());
        let mut routings = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let (y, routing) = layer.forward(normalised(x.clone()));
            x = x + y;
            routings.push(routing);
        }
        let [pairs, _, width] = x.dims();
        let x = normalised(x).reshape([pairs, width]);
        (self.head.forward(x), routings)
    }
}

/// Divided by the root of its mean square. There is no gain: so strong a decay would hold it near zero.
fn normalised(x: Tensor<3>) -> Tensor<3> {
    let square = x.clone().square().mean_dim(2);
    x / (square + 1e-6).sqrt()
}

/// In percent.
pub(super) fn accuracy(logits: Tensor<2>, batch: &Batch) -> f64 {
    let [count, _] = logits.dims();
    let found = logits.argmax(1).reshape([count]);
    let right = found.equal(batch.answers.clone()).int().sum();
    100.0 * right.into_scalar::<i64>() as f64 / count as f64
}
