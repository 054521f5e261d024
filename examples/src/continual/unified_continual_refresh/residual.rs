//! The network of the large size: convolutions with batch norm and residual connections.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use regimen_continual::Classifier;

use crate::continual::bed::Batch;

/// Channels of the three stages; each but the first halves the sides.
const CHANNELS: [usize; 3] = [16, 32, 64];

/// A convolution of 3 x 3, a block of two for each stage, the mean over all places, and a linear head.
#[derive(Module, Debug)]
pub(super) struct ResidualNet {
    first: Normed,
    blocks: Vec<Block>,
    head: Linear,
    side: usize,
}

/// A convolution without bias, then batch norm.
#[derive(Module, Debug)]
struct Normed {
    conv: Conv2d,
    norm: BatchNorm,
}

/// `relu(f(x) + shortcut(x))`.
#[derive(Module, Debug)]
struct Block {
    layers: Vec<Normed>,
    shortcut: Option<Normed>,
}

impl Normed {
    fn new([from, to]: [usize; 2], side: usize, stride: usize, device: &Device) -> Self {
        let edge = side / 2;
        let conv = Conv2dConfig::new([from, to], [side, side])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(edge, edge, edge, edge))
            .with_bias(false);
        Self {
            conv: conv.init(device),
            norm: BatchNormConfig::new(to).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

impl Block {
    fn new([from, to]: [usize; 2], device: &Device) -> Self {
        let stride = if from == to { 1 } else { 2 };
        Self {
            layers: vec![
                Normed::new([from, to], 3, stride, device),
                Normed::new([to, to], 3, 1, device),
            ],
            shortcut: (from != to).then(|| Normed::new([from, to], 1, stride, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = relu(self.layers[0].forward(x.clone()));
        let beside = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        relu(self.layers[1].forward(inner) + beside)
    }
}

impl ResidualNet {
    /// For square images of this side; the weights are drawn from the device's generator.
    pub(super) fn new(side: usize, classes: usize, device: &Device) -> Self {
        let entering = [CHANNELS[0]].into_iter().chain(CHANNELS);
        let blocks = entering.zip(CHANNELS);
        Self {
            first: Normed::new([1, CHANNELS[0]], 3, 1, device),
            blocks: blocks
                .map(|(from, to)| Block::new([from, to], device))
                .collect(),
            head: LinearConfig::new(CHANNELS[2], classes).init(device),
            side,
        }
    }
}

impl Classifier for ResidualNet {
    type Batch = Batch;

    fn logits(&self, (images, _): &Batch) -> Tensor<2> {
        let [batch, pixels] = images.dims();
        let x = images
            .clone()
            .reshape([batch, 1, pixels / self.side, self.side]);
        let x = relu(self.first.forward(x));
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let [_, channels, height, width] = x.dims();
        let x = x.reshape([batch, channels, height * width]).mean_dim(2);
        self.head.forward(x.reshape([batch, channels]))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use regimen_continual::{RefreshConfig, plain_loss};
    use regimen_tensor::ParamVector;

    use super::*;
    use crate::continual::bed::whole;
    use crate::data::Images;

    #[test]
    fn a_step_of_unlearning_raises_its_batchs_loss_by_batch_statistics() {
        let device = Device::default().autodiff();
        device.seed(0);
        let digits = Images::digits().unwrap().at_most(40);
        let batch = whole(&digits, &device);
        let net = ResidualNet::new(digits.width, 10, &device);
        assert_eq!(net.logits(&batch).dims(), [digits.labels.len(), 10]);
        let refresh = RefreshConfig::new()
            .with_form(regimen_continual::Form::code(1e-3))
            .init(&net, ())
            .unwrap();
        let moved = refresh.unlearn(&net, &batch).unwrap();
        let loss = |net: &ResidualNet| plain_loss(net, &batch).into_scalar::<f32>();
        assert!(loss(&moved) > loss(&net));
        let way = ParamVector::of(&moved).sub(&ParamVector::of(&net)).unwrap();
        assert!(way.l2().into_scalar::<f32>() > 0.0);
    }
}
