//! The networks, with a head that can be drawn anew.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use regimen_continual::Classifier;

use crate::continual::bed::{Batch, Net};

/// A classifier whose head can be drawn anew.
pub(super) trait Headed: Classifier<Batch = Batch> {
    /// With a fresh head from the device's generator.
    fn with_new_head(self, device: &Device) -> Self;
}

impl Headed for Net {
    fn with_new_head(self, device: &Device) -> Self {
        Self::with_new_head(self, device)
    }
}

/// The paper's small network: convolutions of 5 x 5 with 10 and 20 channels, each with pooling, a layer of 50, and the head.
#[derive(Module, Debug)]
pub(super) struct ConvNet {
    convs: Vec<Conv2d>,
    pool: MaxPool2d,
    hidden: Linear,
    head: Linear,
    side: usize,
}

impl ConvNet {
    /// For square images of this side; the weights are drawn from the device's generator.
    pub(super) fn new(side: usize, classes: usize, device: &Device) -> Self {
        let conv = |from, to| {
            let conv = Conv2dConfig::new([from, to], [5, 5]);
            conv.with_padding(PaddingConfig2d::Explicit(2, 2, 2, 2))
                .init(device)
        };
        // Each pooling halves the side, rounded down.
        let left = side / 2 / 2;
        Self {
            convs: vec![conv(1, 10), conv(10, 20)],
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            hidden: LinearConfig::new(20 * left * left, 50).init(device),
            head: LinearConfig::new(50, classes).init(device),
            side,
        }
    }
}

impl Classifier for ConvNet {
    type Batch = Batch;

    fn logits(&self, (images, _): &Batch) -> Tensor<2> {
        let [batch, _] = images.dims();
        let images = images.clone().reshape([batch, 1, self.side, self.side]);
        let pooled = self
            .convs
            .iter()
            .fold(images, |x, conv| self.pool.forward(relu(conv.forward(x))));
        let hidden = self.hidden.forward(pooled.flatten::<2>(1, 3));
        self.head.forward(relu(hidden))
    }
}

impl Headed for ConvNet {
    fn with_new_head(mut self, device: &Device) -> Self {
        let [width, classes] = self.head.weight.dims();
        self.head = LinearConfig::new(width, classes).init(device);
        self
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Int;

    use super::*;

    #[test]
    fn images_of_any_side_have_a_score_for_each_class() {
        let device = Device::default();
        for side in [8, 14, 28] {
            let images = Tensor::<2>::zeros([3, side * side], &device);
            let labels = Tensor::<1, Int>::zeros([3], &device);
            let net = ConvNet::new(side, 10, &device).with_new_head(&device);
            assert_eq!(net.logits(&(images, labels)).dims(), [3, 10]);
        }
    }
}
