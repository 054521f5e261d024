//! Small causal transformers: over characters, which predicts the symbol after every place of a window, and over vectors.

use burn::config::Config;
use burn::module::{Initializer, Module};
use burn::nn::attention::{
    MhaInput, MultiHeadAttention, MultiHeadAttentionConfig, generate_autoregressive_mask,
};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Bool, Device, Int, Tensor};

/// Size of a [`CharTransformer`].
#[derive(Config, Debug)]
pub struct CharTransformerConfig {
    /// Characters seen at most.
    #[config(default = 32)]
    pub context: usize,
    /// Width of the states; the perceptron of a block has four times as many hidden units.
    #[config(default = 64)]
    pub width: usize,
    /// Heads of attention, a divisor of the width.
    #[config(default = 4)]
    pub heads: usize,
    /// Blocks.
    #[config(default = 2)]
    pub layers: usize,
    /// Symbols of the alphabet.
    #[config(default = 96)]
    pub symbols: usize,
}

/// Causal attention, then a perceptron with ReLU; each reads a layer norm of the states and adds to them.
#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    attention: MultiHeadAttention,
    perceptron_norm: LayerNorm,
    up: Linear,
    down: Linear,
}

/// Embeddings of symbols and of places, blocks with a layer norm before each part, and a classifier over the alphabet.
#[derive(Module, Debug)]
pub struct CharTransformer {
    symbols: Embedding,
    places: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

/// Standard deviation of the embeddings at the start, which is GPT-2's.
const SPREAD: f64 = 0.02;

impl CharTransformerConfig {
    /// Draws the weights from the device's generator.
    #[must_use]
    pub fn init(&self, device: &Device) -> CharTransformer {
        let embedding = |rows| {
            EmbeddingConfig::new(rows, self.width)
                .with_initializer(Initializer::Normal {
                    mean: 0.0,
                    std: SPREAD,
                })
                .init(device)
        };
        let norm = || LayerNormConfig::new(self.width).init(device);
        let block = |_| Block {
            attention_norm: norm(),
            attention: MultiHeadAttentionConfig::new(self.width, self.heads)
                .with_dropout(0.0)
                .init(device),
            perceptron_norm: norm(),
            up: LinearConfig::new(self.width, 4 * self.width).init(device),
            down: LinearConfig::new(4 * self.width, self.width).init(device),
        };
        CharTransformer {
            symbols: embedding(self.symbols),
            places: embedding(self.context),
            blocks: (0..self.layers).map(block).collect(),
            norm: norm(),
            head: LinearConfig::new(self.width, self.symbols).init(device),
        }
    }
}

impl Block {
    fn forward(&self, x: Tensor<3>, mask: Tensor<3, Bool>) -> Tensor<3> {
        let seen = MhaInput::self_attn(self.attention_norm.forward(x.clone())).mask_attn(mask);
        let x = x + self.attention.forward(seen).context;
        let hidden = relu(self.up.forward(self.perceptron_norm.forward(x.clone())));
        x + self.down.forward(hidden)
    }
}

impl CharTransformer {
    /// Symbols `[batch, window]` to the logits of the symbol after each place, `[batch, window, symbols]`. A place sees itself and those
    /// before it. The window has at most as many characters as the context.
    #[must_use]
    pub fn forward(&self, windows: Tensor<2, Int>) -> Tensor<3> {
        let ([_, window], device) = (windows.dims(), windows.device());
        let places = Tensor::<1, Int>::arange(0..window as i64, &device).reshape([1, window]);
        let mask = generate_autoregressive_mask(1, window, &device);
        let start = self.symbols.forward(windows) + self.places.forward(places);
        let blocks = self.blocks.iter();
        let x = blocks.fold(start, |x, block| block.forward(x, mask.clone()));
        self.head.forward(self.norm.forward(x))
    }
}

/// Size of a [`SequenceTransformer`].
#[derive(Config, Debug)]
pub struct SequenceTransformerConfig {
    /// Numbers of a place.
    pub inputs: usize,
    /// Classes of an output.
    pub classes: usize,
    /// Places at most.
    pub context: usize,
    /// Width of the states; the perceptron of a block has four times as many hidden units.
    #[config(default = 64)]
    pub width: usize,
    /// Heads of attention, a divisor of the width.
    #[config(default = 4)]
    pub heads: usize,
    /// Blocks.
    #[config(default = 2)]
    pub layers: usize,
}

/// Places of numbers through a linear layer, with embeddings of the places, the blocks of a [`CharTransformer`], and a classifier.
#[derive(Module, Debug)]
pub struct SequenceTransformer {
    entry: Linear,
    places: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl SequenceTransformerConfig {
    /// Draws the weights from the device's generator.
    #[must_use]
    pub fn init(&self, device: &Device) -> SequenceTransformer {
        let like = CharTransformerConfig::new()
            .with_context(self.context)
            .with_width(self.width)
            .with_heads(self.heads)
            .with_layers(self.layers)
            .with_symbols(self.classes)
            .init(device);
        SequenceTransformer {
            entry: LinearConfig::new(self.inputs, self.width).init(device),
            places: like.places,
            blocks: like.blocks,
            norm: like.norm,
            head: like.head,
        }
    }
}

impl SequenceTransformer {
    /// Sequences `[batch, length, inputs]` to the logits of each place, `[batch, length, classes]`. A place sees itself and those before it.
    #[must_use]
    pub fn forward(&self, sequences: Tensor<3>) -> Tensor<3> {
        let ([_, length, _], device) = (sequences.dims(), sequences.device());
        let places = Tensor::<1, Int>::arange(0..length as i64, &device).reshape([1, length]);
        let mask = generate_autoregressive_mask(1, length, &device);
        let start = self.entry.forward(sequences) + self.places.forward(places);
        let blocks = self.blocks.iter();
        let x = blocks.fold(start, |x, block| block.forward(x, mask.clone()));
        self.head.forward(self.norm.forward(x))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The logits of a window of 8, in one row a place.
    fn logits(model: &CharTransformer, symbols: [i64; 8]) -> Vec<f32> {
        let windows = Tensor::<1, Int>::from_data(symbols, &Device::flex()).reshape([1, 8]);
        model.forward(windows).into_data().try_to_vec().unwrap()
    }

    #[test]
    fn a_later_character_changes_no_earlier_logits() {
        let device = Device::flex();
        device.seed(1);
        let model = CharTransformerConfig::new().init(&device);
        let symbols = [3, 1, 4, 1, 5, 9, 2, 6];
        let before = logits(&model, symbols);
        for at in 0..8 {
            let mut other = symbols;
            other[at] = 50;
            let after = logits(&model, other);
            for place in 0..8 {
                let row = 96 * place..96 * (place + 1);
                let is_same = before[row.clone()] == after[row];
                assert_eq!(
                    is_same,
                    place < at,
                    "character {at} changed, logits of {place}"
                );
            }
        }
    }
}
