//! A small perceptron, for properties.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Int, Tensor, TensorData};
use regimen_continual::projections::Layers;
use regimen_continual::{Classifier, Result, Strategy};
use regimen_tensor::ParamVector;

pub(crate) type Batch = (Tensor<2>, Tensor<1, Int>);

/// 4 inputs, 8 hidden units, 3 classes.
#[derive(Module, Debug)]
pub(crate) struct Net {
    pub(crate) hidden: Linear,
    pub(crate) head: Linear,
}

impl Net {
    /// Weights that only the seed decides.
    pub(crate) fn new(seed: u64) -> Self {
        let device = Device::flex().autodiff();
        let net = Self {
            hidden: LinearConfig::new(4, 8).init(&device),
            head: LinearConfig::new(8, 3).init(&device),
        };
        let vector = ParamVector::of(&net);
        let mut drawn = drawn(seed);
        let values = vector.entries().iter();
        let values = values.map(|entry| (0..entry.len()).map(|_| drawn()).collect());
        let values = vector.from_host(values.collect()).unwrap();
        values.write_to(net).unwrap()
    }

    pub(crate) fn inside(&self, inputs: &Tensor<2>) -> Tensor<2> {
        tanh(self.hidden.forward(inputs.clone()))
    }
}

impl Classifier for Net {
    type Batch = Batch;

    fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
        self.head.forward(self.inside(inputs))
    }
}

impl Layers for Net {
    fn layer_inputs(&self, (inputs, _): &Self::Batch) -> Result<Vec<(String, Tensor<2>)>> {
        Ok(vec![
            ("hidden.weight".into(), inputs.clone()),
            ("head.weight".into(), self.inside(inputs)),
        ])
    }
}

/// Numbers between -1 and 1.
pub(crate) fn drawn(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

pub(crate) fn examples(count: usize, seed: u64) -> Batch {
    let device = Device::flex().autodiff();
    let mut drawn = drawn(seed + 100);
    let values: Vec<f32> = (0..count * 4).map(|_| drawn()).collect();
    let labels: Vec<i64> = (0..count as i64).map(|row| row % 3).collect();
    (
        Tensor::from_data(TensorData::new(values, [count, 4]), &device),
        Tensor::from_data(TensorData::new(labels, [count]), &device),
    )
}

/// One step of plain gradient descent.
pub(crate) fn step<M: Classifier>(
    strategy: &impl Strategy<M>,
    model: M,
    batch: &M::Batch,
    lr: f64,
) -> M {
    let loss = strategy.loss(&model, batch).unwrap();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    strategy.optimize(model, &mut SgdConfig::new().init(), lr, grads)
}

pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

pub(crate) fn largest<const D: usize>(tensor: Tensor<D>) -> f32 {
    tensor.abs().max().into_scalar()
}
