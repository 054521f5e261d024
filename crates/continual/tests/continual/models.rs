//! A small network with batch norm, whose logits and features can be looked at.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_continual::{Classifier, Encoder};
use regimen_tensor::ParamVector;

/// Four inputs, six features under batch norm, four classes.
#[derive(Module, Debug)]
pub(crate) struct Net {
    first: Linear,
    norm: BatchNorm,
    head: Linear,
}

impl Net {
    /// Weights from a seed of the host.
    pub(crate) fn new(seed: u64) -> Self {
        let device = Device::flex().autodiff();
        let net = Self {
            first: LinearConfig::new(4, 6).init(&device),
            norm: BatchNormConfig::new(6).init(&device),
            head: LinearConfig::new(6, 4).init(&device),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let weights = ParamVector::of(&net);
        let values = weights.entries().iter().map(|entry| {
            let range = if entry.path.starts_with("norm.gamma") {
                0.5..1.5
            } else {
                -0.5..0.5
            };
            (0..entry.len())
                .map(|_| rng.random_range(range.clone()))
                .collect()
        });
        let values = weights.from_host(values.collect()).unwrap();
        values.write_to(net).unwrap()
    }

    /// With a first layer that does not train.
    pub(crate) fn with_first_frozen(mut self) -> Self {
        self.first = self.first.no_grad();
        self
    }
}

impl Classifier for Net {
    type Batch = (Tensor<2>, Tensor<1, Int>);

    fn logits(&self, batch: &Self::Batch) -> Tensor<2> {
        self.head.forward(self.features(batch))
    }
}

impl Encoder for Net {
    fn features(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
        relu(self.norm.forward(self.first.forward(inputs.clone())))
    }
}

/// A batch of random inputs, with labels among `classes` in turn.
pub(crate) fn drawn(seed: u64, count: usize, classes: &[i64]) -> (Tensor<2>, Tensor<1, Int>) {
    let device = Device::flex().autodiff();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let inputs: Vec<f32> = (0..4 * count)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    let labels: Vec<i64> = (0..count)
        .map(|place| classes[place % classes.len()])
        .collect();
    (
        Tensor::from_data(TensorData::new(inputs, [count, 4]), &device),
        Tensor::from_data(TensorData::new(labels, [count]), &device),
    )
}

/// Every value of a model, running statistics too.
pub(crate) fn bits<M: Module>(model: &M) -> Vec<Vec<u32>> {
    let state = ParamVector::state(model).to_host().unwrap();
    let bits = state
        .iter()
        .map(|values| values.iter().map(|value| value.to_bits()).collect());
    bits.collect()
}

/// The bits of one number.
pub(crate) fn bit(value: Tensor<1>) -> u32 {
    value.into_scalar::<f32>().to_bits()
}
