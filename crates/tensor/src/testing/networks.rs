//! The networks of the experiments, with their sizes as configs: perceptrons and convolutional networks.

use burn::config::Config;
use burn::module::{Module, ModuleDisplay};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};

/// A network that tells classes of images apart.
pub trait Classifier: Module + ModuleDisplay + 'static {
    /// Images `[batch, pixels]` to logits `[batch, classes]`.
    fn logits(&self, images: Tensor<2>) -> Tensor<2>;
}

impl Classifier for Mlp {
    fn logits(&self, images: Tensor<2>) -> Tensor<2> {
        self.forward(images)
    }
}

impl Classifier for Cnn {
    fn logits(&self, images: Tensor<2>) -> Tensor<2> {
        self.forward(images)
    }
}

/// A perceptron: `sizes[0]` inputs, hidden layers with ReLU, `sizes[last]` outputs.
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// Widths from the inputs to the outputs, at least two.
    pub sizes: Vec<usize>,
}

/// A multilayer perceptron with ReLU.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl MlpConfig {
    /// Draws the weights from the device's generator.
    #[must_use]
    pub fn init(&self, device: &Device) -> Mlp {
        let pairs = self.sizes.windows(2);
        let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(device);
        Mlp {
            layers: pairs.map(layer).collect(),
        }
    }
}

impl Mlp {
    /// Inputs `[batch, sizes[0]]` to logits `[batch, sizes[last]]`.
    #[must_use]
    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        let x = self.entering(self.layers.len() - 1, inputs);
        self.layers[self.layers.len() - 1].forward(x)
    }

    /// What enters layer `index`, `[batch, sizes[index]]`: the inputs themselves for the first.
    #[must_use]
    pub fn entering(&self, index: usize, inputs: Tensor<2>) -> Tensor<2> {
        let before = self.layers.iter().take(index);
        before.fold(inputs, |x, layer| relu(layer.forward(x)))
    }
}

/// A small convolutional network for grey images.
#[derive(Config, Debug)]
pub struct CnnConfig {
    /// Image side, a multiple of 4.
    pub side: usize,
    /// Classes.
    pub classes: usize,
    /// Channels of the first convolution; the second has twice as many.
    #[config(default = 32)]
    pub channels: usize,
}

/// Two 3 x 3 convolutions with stride 2 and ReLU, then a linear classifier.
#[derive(Module, Debug)]
pub struct Cnn {
    first: Conv2d,
    second: Conv2d,
    head: Linear,
    side: usize,
}

impl CnnConfig {
    /// Draws the weights from the device's generator.
    #[must_use]
    pub fn init(&self, device: &Device) -> Cnn {
        let conv = |from, to| {
            Conv2dConfig::new([from, to], [3, 3])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        let features = 2 * self.channels * (self.side / 4) * (self.side / 4);
        Cnn {
            first: conv(1, self.channels),
            second: conv(self.channels, 2 * self.channels),
            head: LinearConfig::new(features, self.classes).init(device),
            side: self.side,
        }
    }
}

impl Cnn {
    /// Images `[batch, side * side]` to logits `[batch, classes]`.
    #[must_use]
    pub fn forward(&self, images: Tensor<2>) -> Tensor<2> {
        let [batch, _] = images.dims();
        let x = images.reshape([batch, 1, self.side, self.side]);
        let x = relu(self.second.forward(relu(self.first.forward(x))));
        self.head.forward(x.flatten(1, 3))
    }
}

/// A convolutional network that takes square images of any side.
#[derive(Config, Debug)]
pub struct AnySizeCnnConfig {
    /// Classes.
    pub classes: usize,
}

/// Three 3 x 3 convolutions (16, 32 and 32 channels) with ReLU and 2 x 2 max pooling between them, the mean over all
/// places, and a linear classifier. Images have sides of 4 or more.
#[derive(Module, Debug)]
pub struct AnySizeCnn {
    layers: Vec<Conv2d>,
    head: Linear,
}

impl AnySizeCnnConfig {
    /// Draws the weights from the device's generator.
    #[must_use]
    pub fn init(&self, device: &Device) -> AnySizeCnn {
        let layer = |(from, to)| {
            Conv2dConfig::new([from, to], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        AnySizeCnn {
            layers: [(1, 16), (16, 32), (32, 32)].map(layer).to_vec(),
            head: LinearConfig::new(32, self.classes).init(device),
        }
    }
}

impl AnySizeCnn {
    /// Images `[batch, side * side]` to logits `[batch, classes]`.
    #[must_use]
    pub fn forward(&self, images: Tensor<2>) -> Tensor<2> {
        let [batch, pixels] = images.dims();
        let side = pixels.isqrt();
        let mut x = images.reshape([batch, 1, side, side]);
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = max_pool2d(x, MaxPoolOptions::new([2, 2]));
            }
            x = relu(layer.forward(x));
        }
        let [_, channels, height, width] = x.dims();
        let x = x.reshape([batch, channels, height * width]).mean_dim(2);
        self.head.forward(x.reshape([batch, channels]))
    }
}
