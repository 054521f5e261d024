//! A model of two parameters, for values worked by hand.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};
use regimen_continual::Classifier;

/// Logits `x * w` of inputs `[batch, 2]`.
#[derive(Module, Debug)]
pub(crate) struct Two {
    pub(crate) w: Param<Tensor<1>>,
}

impl Two {
    pub(crate) fn new(w: [f32; 2]) -> Self {
        let device = Device::flex().autodiff();
        Self {
            w: Param::from_data(w, &device),
        }
    }

    pub(crate) fn with(mut self, w: [f32; 2]) -> Self {
        let device = self.w.val().device();
        self.w = self
            .w
            .map(|_| Tensor::<1>::from_data(w, &device).require_grad());
        self
    }
}

impl Classifier for Two {
    type Batch = (Tensor<2>, Tensor<1, Int>);

    fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
        inputs.clone() * self.w.val().unsqueeze()
    }
}

pub(crate) fn batch(rows: &[[f32; 2]], labels: &[i64]) -> (Tensor<2>, Tensor<1, Int>) {
    let device = Device::flex().autodiff();
    let values: Vec<f32> = rows.iter().flatten().copied().collect();
    let inputs = burn::tensor::TensorData::new(values, [rows.len(), 2]);
    let labels = burn::tensor::TensorData::new(labels.to_vec(), [labels.len()]);
    (
        Tensor::from_data(inputs, &device),
        Tensor::from_data(labels, &device),
    )
}
