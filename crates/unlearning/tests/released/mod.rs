//! Agreement with released code on a residual network with batch norm: `golden/make.py` writes the numbers.

mod fisher;
mod network;
mod salun;
mod scrub;
mod ssd;

use burn::tensor::{Int, Tensor};
use network::{Batch, Data, Golden, Net};
use regimen_tensor::ParamVector;
use regimen_unlearning::Classifier;

const CLASSES: usize = 3;
const FORGOTTEN: usize = 2;

fn network() -> (Net, Data) {
    network::network(include_str!("../../golden/network.csv"))
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
