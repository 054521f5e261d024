//! Agreement with released code on a residual network with batch norm: `golden/make.py` writes the numbers.

mod fisher;
#[path = "../../golden/network.rs"]
mod network;
mod salun;
mod scrub;
mod ssd;

use burn::tensor::{DType, Int, Tensor};
use network::{Batch, Data, Golden, Net};
use regimen_tensor::ParamVector;
use regimen_unlearning::Classifier;

const CLASSES: usize = 3;
const FORGOTTEN: usize = 2;

fn network() -> (Net, Data) {
    let text = include_str!("../../golden/network.csv");
    network::network(text, DType::F32)
}

impl Classifier for Net {
    type Batch = Batch;

    fn logits(&self, (images, _): &Batch) -> Tensor<2> {
        self.forward(images.clone())
    }

    fn targets((_, labels): &Batch) -> Tensor<1, Int> {
        labels.clone()
    }
}

fn parameters(net: &Net) -> ParamVector {
    ParamVector::of(net)
}
