//! The networks of the experiments: those of [`regimen_tensor::testing`], two models of characters that train by Burn's own traits, and a
//! transformer over sequences of numbers.

mod transformer;

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
pub use regimen_tensor::testing::networks::{
    AnySizeCnn, AnySizeCnnConfig, Classifier, Cnn, CnnConfig, Mlp, MlpConfig,
};
pub use transformer::{
    CharTransformer, CharTransformerConfig, SequenceTransformer, SequenceTransformerConfig,
};

/// A model of the next character from a window of previous ones.
#[derive(Config, Debug)]
pub struct CharWindowConfig {
    /// Characters seen.
    #[config(default = 8)]
    pub window: usize,
    /// Size of a character's embedding.
    #[config(default = 16)]
    pub embedding: usize,
    /// Hidden units.
    #[config(default = 128)]
    pub hidden: usize,
    /// Symbols of the alphabet.
    #[config(default = 96)]
    pub symbols: usize,
}

/// Embedding, one hidden layer with ReLU, and a classifier over the alphabet.
#[derive(Module, Debug)]
pub struct CharWindow {
    embedding: Embedding,
    hidden: Linear,
    head: Linear,
}

impl CharWindowConfig {
    /// Draws the weights from the device's generator.
    #[must_use]
    pub fn init(&self, device: &Device) -> CharWindow {
        CharWindow {
            embedding: EmbeddingConfig::new(self.symbols, self.embedding).init(device),
            hidden: LinearConfig::new(self.window * self.embedding, self.hidden).init(device),
            head: LinearConfig::new(self.hidden, self.symbols).init(device),
        }
    }
}

impl CharWindow {
    /// The number of characters that it sees.
    #[must_use]
    pub fn window(&self) -> usize {
        let [inputs, _] = self.hidden.weight.dims();
        let [_, embedding] = self.embedding.weight.dims();
        inputs / embedding
    }

    /// Symbols `[batch, window]` to logits `[batch, symbols]`.
    #[must_use]
    pub fn forward(&self, windows: Tensor<2, Int>) -> Tensor<2> {
        let x = self.embedding.forward(windows).flatten(1, 2);
        self.head.forward(relu(self.hidden.forward(x)))
    }
}
