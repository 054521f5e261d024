//! The encoders.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use regimen_continual::Backbone;

use crate::continual::bed::Batch;

/// Channels of the convolutions of the large size.
const CHANNELS: [usize; 3] = [1, 16, 32];

/// Layers with ReLU between them, behind convolutions at the large size.
#[derive(Module, Debug)]
pub(super) struct Body {
    convs: Vec<Conv2d>,
    pool: MaxPool2d,
    layers: Vec<Linear>,
    side: usize,
}

impl Body {
    /// For square images of this side; the weights are drawn from the device's generator.
    pub(super) fn new(side: usize, hidden: &[usize], large: bool, device: &Device) -> Self {
        let conv = |pair: &[usize]| {
            let conv = Conv2dConfig::new([pair[0], pair[1]], [3, 3]);
            conv.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        let convs: Vec<Conv2d> = match large {
            true => CHANNELS.windows(2).map(conv).collect(),
            false => Vec::new(),
        };
        // Each pooling halves the side, rounded down.
        let first = match large {
            true => CHANNELS[2] * (side / 2 / 2) * (side / 2 / 2),
            false => side * side,
        };
        let widths = [&[first], hidden].concat();
        let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(device);
        Self {
            convs,
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            layers: widths.windows(2).map(layer).collect(),
            side,
        }
    }

    /// The beginning of the paths of the last layer, within an encoder with heads.
    pub(super) fn last(&self) -> String {
        format!("encoder.layers.{}", self.layers.len() - 1)
    }
}

impl Backbone for Body {
    type Batch = Batch;

    fn features(&self, (images, _): &Batch) -> Tensor<2> {
        let [batch, _] = images.dims();
        let mut x = images.clone();
        if !self.convs.is_empty() {
            let images = x.reshape([batch, 1, self.side, self.side]);
            let convs = self.convs.iter();
            let pooled = convs.fold(images, |x, conv| self.pool.forward(relu(conv.forward(x))));
            x = pooled.flatten::<2>(1, 3);
        }
        let last = self.layers.len().saturating_sub(1);
        for (place, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            if place < last {
                x = relu(x);
            }
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Int;

    use super::*;

    #[test]
    fn features_of_images_of_any_side() {
        let device = Device::default();
        for (side, large) in [(12, false), (20, true), (9, true)] {
            let batch = (
                Tensor::<2>::zeros([3, side * side], &device),
                Tensor::<1, Int>::zeros([3], &device),
            );
            let body = Body::new(side, &[24, 8], large, &device);
            assert_eq!(body.features(&batch).dims(), [3, 8]);
            assert_eq!(body.last(), "encoder.layers.1");
        }
    }
}
