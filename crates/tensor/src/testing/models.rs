//! The reference models.

use burn::module::{Initializer, Module, Param};
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig, PaddingConfig1d, PaddingConfig2d,
};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Int, Tensor};

use super::reference::{CLASSES, FEATURES, Hidden, Kind, Reference, VALUES};

/// Two hidden layers with ReLU.
#[derive(Module, Debug)]
pub struct Perceptron {
    first: Linear,
    second: Linear,
    head: Linear,
}

impl Reference for Perceptron {
    const KIND: Kind = Kind::Perceptron;

    fn build(device: &Device) -> Self {
        Self {
            first: LinearConfig::new(FEATURES, 32).init(device),
            second: LinearConfig::new(32, 16).init(device),
            head: LinearConfig::new(16, CLASSES).init(device),
        }
    }

    fn features(&self, inputs: Tensor<2>) -> Tensor<2> {
        relu(self.second.forward(relu(self.first.forward(inputs))))
    }

    fn hidden_layers() -> Vec<Hidden> {
        vec![
            Hidden::new("first", &["second"]),
            Hidden::new("second", &["head"]),
        ]
    }

    fn hidden(&self, inputs: Tensor<2>) -> Vec<Tensor<3>> {
        let first = relu(self.first.forward(inputs));
        let second = relu(self.second.forward(first.clone()));
        vec![first.unsqueeze_dim(2), second.unsqueeze_dim(2)]
    }

    fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.features(inputs))
    }
}

/// A convolution with batch norm, a residual block of two, a mean over places and a linear head.
#[derive(Module, Debug)]
pub struct Residual {
    first: Conv2d,
    first_norm: BatchNorm,
    block: Vec<Conv2d>,
    block_norms: Vec<BatchNorm>,
    head: Linear,
}

impl Reference for Residual {
    const KIND: Kind = Kind::Residual;

    fn build(device: &Device) -> Self {
        let conv = |from| {
            Conv2dConfig::new([from, 8], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device)
        };
        let norm = || BatchNormConfig::new(8).init(device);
        Self {
            first: conv(1),
            first_norm: norm(),
            block: vec![conv(8), conv(8)],
            block_norms: vec![norm(), norm()],
            head: LinearConfig::new(8, CLASSES).init(device),
        }
    }

    fn features(&self, inputs: Tensor<2>) -> Tensor<2> {
        let [batch, _] = inputs.dims();
        let images = inputs.reshape([batch, 1, 4, 4]);
        let start = relu(self.first_norm.forward(self.first.forward(images)));
        let x = self.block_norms[0].forward(self.block[0].forward(start.clone()));
        let x = self.block_norms[1].forward(self.block[1].forward(relu(x)));
        let x: Tensor<3> = relu(start + x).flatten(2, 3);
        x.mean_dim(2).reshape([batch, 8])
    }

    /// The units of the first convolution are read by the sum too: only those within the block are of one layer.
    fn hidden_layers() -> Vec<Hidden> {
        vec![Hidden {
            norm: Some("block_norms.0"),
            ..Hidden::new("block.0", &["block.1"])
        }]
    }

    fn hidden(&self, inputs: Tensor<2>) -> Vec<Tensor<3>> {
        let [batch, _] = inputs.dims();
        let images = inputs.reshape([batch, 1, 4, 4]);
        let start = relu(self.first_norm.forward(self.first.forward(images)));
        let x = self.block_norms[0].forward(self.block[0].forward(start));
        vec![relu(x).flatten(2, 3)]
    }

    fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.features(inputs))
    }
}

/// Embeddings of tokens and places, one block of attention and a perceptron with layer norm before each.
#[derive(Module, Debug)]
struct Body {
    tokens: Embedding,
    places: Embedding,
    attention_norm: LayerNorm,
    attention: MultiHeadAttention,
    perceptron_norm: LayerNorm,
    up: Linear,
    down: Linear,
    norm: LayerNorm,
}

const WIDTH: usize = 16;

impl Body {
    fn new(device: &Device) -> Self {
        let norm = || LayerNormConfig::new(WIDTH).init(device);
        Self {
            tokens: EmbeddingConfig::new(VALUES, WIDTH).init(device),
            places: EmbeddingConfig::new(FEATURES, WIDTH).init(device),
            attention_norm: norm(),
            attention: MultiHeadAttentionConfig::new(WIDTH, 2)
                .with_dropout(0.0)
                .init(device),
            perceptron_norm: norm(),
            up: LinearConfig::new(WIDTH, 32).init(device),
            down: LinearConfig::new(32, WIDTH).init(device),
            norm: norm(),
        }
    }

    /// Tokens `[batch, length]` with their places, `[batch, length, width]`.
    fn embed(&self, inputs: Tensor<2>) -> Tensor<3> {
        let [_, length] = inputs.dims();
        let device = inputs.device();
        let places = Tensor::<1, Int>::arange(0..length as i64, &device).reshape([1, length]);
        self.tokens.forward(inputs.int()) + self.places.forward(places)
    }

    /// What leaves the nonlinearity of the perceptron, `[batch, units, length]`.
    fn hidden(&self, inputs: Tensor<2>) -> Vec<Tensor<3>> {
        let x = self.embed(inputs);
        let attended = self
            .attention
            .forward(MhaInput::self_attn(self.attention_norm.forward(x.clone())));
        let x = x + attended.context;
        let inner = relu(self.up.forward(self.perceptron_norm.forward(x)));
        vec![inner.swap_dims(1, 2)]
    }

    /// The states of embedded tokens, `[batch, length, width]`.
    fn encode(&self, x: Tensor<3>) -> Tensor<3> {
        let attended = self
            .attention
            .forward(MhaInput::self_attn(self.attention_norm.forward(x.clone())));
        let x = x + attended.context;
        let inner = relu(self.up.forward(self.perceptron_norm.forward(x.clone())));
        self.norm.forward(x + self.down.forward(inner))
    }

    /// Tokens `[batch, length]` to the mean of their states, `[batch, width]`.
    fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        let [batch, _] = inputs.dims();
        let states = self.encode(self.embed(inputs));
        states.mean_dim(1).reshape([batch, WIDTH])
    }
}

/// A transformer with a linear head of its own.
#[derive(Module, Debug)]
pub struct Transformer {
    first: Body,
    head: Linear,
}

impl Reference for Transformer {
    const KIND: Kind = Kind::Transformer;

    fn build(device: &Device) -> Self {
        Self {
            first: Body::new(device),
            head: LinearConfig::new(WIDTH, CLASSES).init(device),
        }
    }

    fn frozen() -> &'static str {
        "first.tokens.weight"
    }

    fn features(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.first.forward(inputs)
    }

    fn embedded(&self, inputs: Tensor<2>) -> Option<Tensor<3>> {
        Some(self.first.embed(inputs))
    }

    fn encoded(&self, tokens: Tensor<3>) -> Option<Tensor<3>> {
        Some(self.first.encode(tokens))
    }

    fn hidden_layers() -> Vec<Hidden> {
        vec![Hidden::new("first.up", &["first.down"])]
    }

    fn hidden(&self, inputs: Tensor<2>) -> Vec<Tensor<3>> {
        self.first.hidden(inputs)
    }

    fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.features(inputs))
    }
}

/// A transformer whose head is its embedding: the classes are the first tokens.
#[derive(Module, Debug)]
pub struct TiedTransformer {
    first: Body,
}

impl Reference for TiedTransformer {
    const KIND: Kind = Kind::TiedTransformer;

    fn build(device: &Device) -> Self {
        Self {
            first: Body::new(device),
        }
    }

    fn frozen() -> &'static str {
        "first.places.weight"
    }

    fn features(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.first.forward(inputs)
    }

    fn embedded(&self, inputs: Tensor<2>) -> Option<Tensor<3>> {
        Some(self.first.embed(inputs))
    }

    fn encoded(&self, tokens: Tensor<3>) -> Option<Tensor<3>> {
        Some(self.first.encode(tokens))
    }

    fn hidden_layers() -> Vec<Hidden> {
        vec![Hidden::new("first.up", &["first.down"])]
    }

    fn hidden(&self, inputs: Tensor<2>) -> Vec<Tensor<3>> {
        self.first.hidden(inputs)
    }

    fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
        let classes = self.first.tokens.weight.val().narrow(0, 0, CLASSES);
        self.features(inputs).matmul(classes.transpose())
    }
}

/// Two one-dimensional convolutions with ReLU, a mean over places and a linear head.
#[derive(Module, Debug)]
pub struct Convolution {
    first: Conv1d,
    second: Conv1d,
    head: Linear,
}

impl Reference for Convolution {
    const KIND: Kind = Kind::Convolution;

    fn build(device: &Device) -> Self {
        let conv = |from, to| {
            Conv1dConfig::new(from, to, 3)
                .with_padding(PaddingConfig1d::Explicit(1, 1))
                .init(device)
        };
        Self {
            first: conv(1, 8),
            second: conv(8, 16),
            head: LinearConfig::new(16, CLASSES).init(device),
        }
    }

    fn features(&self, inputs: Tensor<2>) -> Tensor<2> {
        let [batch, length] = inputs.dims();
        let x = relu(self.first.forward(inputs.reshape([batch, 1, length])));
        let x = relu(self.second.forward(x));
        x.mean_dim(2).reshape([batch, 16])
    }

    fn hidden_layers() -> Vec<Hidden> {
        vec![
            Hidden::new("first", &["second"]),
            Hidden::new("second", &["head"]),
        ]
    }

    fn hidden(&self, inputs: Tensor<2>) -> Vec<Tensor<3>> {
        let [batch, length] = inputs.dims();
        let first = relu(self.first.forward(inputs.reshape([batch, 1, length])));
        let second = relu(self.second.forward(first.clone()));
        vec![first, second]
    }

    fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.features(inputs))
    }
}

/// Four experts stacked in one parameter of rank 3, all run and weighted by a softmax gate.
#[derive(Module, Debug)]
pub struct Mixture {
    first: Linear,
    gate: Linear,
    experts: Param<Tensor<3>>,
    head: Linear,
}

impl Reference for Mixture {
    const KIND: Kind = Kind::Mixture;

    fn build(device: &Device) -> Self {
        Self {
            first: LinearConfig::new(FEATURES, WIDTH).init(device),
            gate: LinearConfig::new(WIDTH, 4).with_bias(false).init(device),
            experts: Initializer::Normal {
                mean: 0.0,
                std: 0.2,
            }
            .init([4, WIDTH, WIDTH], device),
            head: LinearConfig::new(WIDTH, CLASSES).init(device),
        }
    }

    fn features(&self, inputs: Tensor<2>) -> Tensor<2> {
        let x = relu(self.first.forward(inputs));
        let [batch, width] = x.dims();
        let gates = softmax(self.gate.forward(x.clone()), 1).transpose();
        // [1, batch, width] x [experts, width, width]
        let x = x.reshape([1, batch, width]).repeat_dim(0, 4);
        let outputs = relu(x.matmul(self.experts.val()));
        let weighted = outputs * gates.reshape([4, batch, 1]);
        weighted.sum_dim(0).reshape([batch, width])
    }

    fn hidden_layers() -> Vec<Hidden> {
        vec![Hidden::new("first", &["gate", "experts"])]
    }

    fn hidden(&self, inputs: Tensor<2>) -> Vec<Tensor<3>> {
        vec![relu(self.first.forward(inputs)).unsqueeze_dim(2)]
    }

    fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.features(inputs))
    }
}
