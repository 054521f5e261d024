//! A shared encoder with two decoders: one that generates from left to right, one that sees both directions.

mod peptides;
mod words;

pub use peptides::{PeptideConfig, peptides};
pub use words::{corrupted, words_of};

use anyhow::{Result, ensure};
use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::nn::activation::ActivationConfig;
use burn::nn::attention::generate_autoregressive_mask;
use burn::nn::loss::CTCLossConfig;
use burn::nn::transformer::{
    TransformerDecoder, TransformerDecoderConfig, TransformerDecoderInput, TransformerEncoder,
    TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use regimen_schedules::Bridge;

/// The class of no letter in a frame.
pub const BLANK: usize = 0;

/// A sequence to write, and what is known of it. Letters are `1..=letters`.
#[derive(Clone, Debug)]
pub struct Pair {
    /// One row of features for each thing that is seen.
    pub seen: Vec<Vec<f32>>,
    /// The target's letters.
    pub target: Vec<u8>,
    /// What the generating decoder is given before each letter and before the end: `target.len() + 1` rows of features.
    pub prefixes: Vec<Vec<f32>>,
}

/// Pairs as tensors.
#[derive(Clone, Debug)]
pub struct PairBatch {
    /// `[batch, things, features]`.
    seen: Tensor<3>,
    /// True where there is no thing, `[batch, things]`.
    unseen: Tensor<2, Bool>,
    /// `[batch, tokens, features]`, a token for each letter and the end.
    prefixes: Tensor<3>,
    /// Letters, then padding, `[batch, letters]`.
    targets: Tensor<2, Int>,
    /// Letters, then the end, then padding, `[batch, tokens]`.
    tokens: Tensor<2, Int>,
    /// Letters of each target, `[batch]`.
    pub lengths: Tensor<1, Int>,
}

/// How large the model is and what it reads.
#[derive(Config, Debug)]
pub struct HybridConfig {
    /// Features of a thing that is seen.
    pub seen: usize,
    /// Features before a letter.
    pub prefix: usize,
    /// Letters of the alphabet.
    pub letters: usize,
    /// Things seen, at most.
    pub things: usize,
    /// Letters of a target, at most.
    pub longest: usize,
    /// Frames of the decoder that sees both directions.
    #[config(default = 20)]
    pub frames: usize,
    /// Width.
    #[config(default = 48)]
    pub width: usize,
    /// Attention heads.
    #[config(default = 4)]
    pub heads: usize,
    /// Layers of the encoder and of each decoder.
    #[config(default = 2)]
    pub layers: usize,
}

/// The model. Decoders have the names of the paper's losses: autoregressive and non-autoregressive.
#[derive(Module, Debug)]
pub struct HybridDecoder {
    reader: Linear,
    encoder: TransformerEncoder,
    prefix: Linear,
    ar: TransformerDecoder,
    ar_head: Linear,
    frames: Param<Tensor<2>>,
    nar: TransformerDecoder,
    nar_head: Linear,
    places: Param<Tensor<2>>,
    letters: usize,
}

impl HybridConfig {
    /// The features of every pair as tensors.
    ///
    /// # Errors
    /// If a target is empty, or has more letters or needs more frames than there are.
    pub fn batch(&self, pairs: &[Pair], device: &Device) -> Result<PairBatch> {
        for pair in pairs {
            let (length, needed) = (pair.target.len(), frames_needed(&pair.target));
            let good = (1..=self.longest).contains(&length) && needed <= self.frames;
            ensure!(good, "a target of {length} letters needs {needed} frames");
            ensure!(pair.seen.len() <= self.things, "more things than places");
        }
        let (batch, tokens) = (pairs.len(), self.longest + 1);
        let padding = self.letters as i64 + 1;
        let text = |length: usize, end: Option<i64>| {
            let row = |pair: &Pair| {
                let mut row: Vec<i64> = pair.target.iter().copied().map(i64::from).collect();
                row.extend(end);
                row.resize(length, padding);
                row
            };
            let symbols: Vec<i64> = pairs.iter().flat_map(row).collect();
            Tensor::from_data(TensorData::new(symbols, [batch, length]), device)
        };
        let unseen = pairs.iter().flat_map(|pair| {
            let things = pair.seen.len();
            (0..self.things).map(move |place| place >= things)
        });
        let unseen = TensorData::new(unseen.collect::<Vec<bool>>(), [batch, self.things]);
        let lengths: Vec<i64> = pairs.iter().map(|p| p.target.len() as i64).collect();
        let seen = pairs.iter().map(|pair| &pair.seen);
        let prefixes = pairs.iter().map(|pair| &pair.prefixes);
        Ok(PairBatch {
            seen: stack(seen, self.things, self.seen, device),
            unseen: Tensor::from_data(unseen, device),
            prefixes: stack(prefixes, tokens, self.prefix, device),
            targets: text(self.longest, None),
            tokens: text(tokens, Some(padding + 1)),
            lengths: Tensor::from_data(TensorData::new(lengths, [batch]), device),
        })
    }

    /// Draws the weights from the device's generator. Places of the joined memory start at 0.
    #[must_use]
    pub fn init(&self, device: &Device) -> HybridDecoder {
        let (width, heads, layers) = (self.width, self.heads, self.layers);
        let inner = 2 * width;
        // Letters, the blank, the padding, the end.
        let classes = self.letters + 3;
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        let decoder = || {
            TransformerDecoderConfig::new(width, inner, heads, layers)
                .with_dropout(0.0)
                .with_activation(ActivationConfig::Relu)
                .init(device)
        };
        let normal = Initializer::Normal {
            mean: 0.0,
            std: 1.0,
        };
        HybridDecoder {
            reader: linear(self.seen, width),
            encoder: TransformerEncoderConfig::new(width, inner, heads, layers)
                .with_dropout(0.0)
                .with_activation(ActivationConfig::Relu)
                .init(device),
            prefix: linear(self.prefix, width),
            ar: decoder(),
            ar_head: linear(width, classes),
            frames: normal.init([self.frames, width], device),
            nar: decoder(),
            nar_head: linear(width, classes),
            places: Initializer::Zeros.init([self.frames + self.things, width], device),
            letters: self.letters,
        }
    }
}

/// Rows of features, filled up with zeros: `[batch, places, features]`.
fn stack<'a>(
    rows: impl Iterator<Item = &'a Vec<Vec<f32>>>,
    places: usize,
    features: usize,
    device: &Device,
) -> Tensor<3> {
    let (mut values, mut batch) = (Vec::new(), 0);
    for row in rows {
        batch += 1;
        values.extend(row.iter().flatten());
        values.resize(batch * places * features, 0.0);
    }
    Tensor::from_data(TensorData::new(values, [batch, places, features]), device)
}

/// The frames that CTC needs: one a letter, and one between equal neighbours.
#[must_use]
pub fn frames_needed(target: &[u8]) -> usize {
    target.len() + target.windows(2).filter(|pair| pair[0] == pair[1]).count()
}

/// What a decoder attends to, and where there is nothing.
#[derive(Clone, Debug)]
pub struct Memory {
    features: Tensor<3>,
    nothing: Tensor<2, Bool>,
}

impl HybridDecoder {
    /// What the encoder makes of the things that are seen.
    #[must_use]
    pub fn encode(&self, batch: &PairBatch) -> Memory {
        let input = TransformerEncoderInput::new(self.reader.forward(batch.seen.clone()));
        let input = input.mask_pad(batch.unseen.clone());
        Memory {
            features: self.encoder.forward(input),
            nothing: batch.unseen.clone(),
        }
    }

    /// The features of all frames, `[batch, frames, width]`, without a mask between them.
    #[must_use]
    pub fn both_ways(&self, memory: &Memory) -> Tensor<3> {
        let [batch, _, _] = memory.features.dims();
        let frames = self.frames.val().unsqueeze::<3>().repeat_dim(0, batch);
        let input = TransformerDecoderInput::new(frames, memory.features.clone());
        let input = input.memory_mask_pad(memory.nothing.clone());
        self.nar.forward(input)
    }

    /// CTC's loss of each target, `[batch]`, from the features of the frames.
    #[must_use]
    pub fn nar_losses(&self, frames: Tensor<3>, batch: &PairBatch) -> Tensor<1> {
        let [_, count, _] = frames.dims();
        let log_probs = log_softmax(self.nar_head.forward(frames), 2).swap_dims(0, 1);
        let inputs = batch.lengths.zeros_like() + count as i64;
        let ctc = CTCLossConfig::new().with_blank(BLANK).init();
        ctc.forward(
            log_probs,
            batch.targets.clone(),
            inputs,
            batch.lengths.clone(),
        )
    }

    /// The memory with the features of the frames before it, joined over a bridge, and a place for each.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn join(&self, bridge: Bridge, frames: Tensor<3>, memory: Memory) -> Result<Memory> {
        let [batch, count, _] = frames.dims();
        let joined = bridge.join(frames, memory.features)?;
        let always = Tensor::<2, Int>::zeros([batch, count], &joined.device()).bool();
        Ok(Memory {
            features: joined + self.places.val().unsqueeze::<3>(),
            nothing: Tensor::cat(vec![always, memory.nothing], 1),
        })
    }

    /// The log-probabilities of each token given those before, `[batch, tokens, classes]`.
    #[must_use]
    pub fn ar_log_probs(&self, memory: Memory, batch: &PairBatch) -> Tensor<3> {
        let [size, tokens, _] = batch.prefixes.dims();
        let mask = generate_autoregressive_mask(size, tokens, &memory.features.device());
        let prefixes = self.prefix.forward(batch.prefixes.clone());
        let input = TransformerDecoderInput::new(prefixes, memory.features)
            .target_mask_attn(mask)
            .memory_mask_pad(memory.nothing);
        log_softmax(self.ar_head.forward(self.ar.forward(input)), 2)
    }

    /// The cross-entropy of each target and its end, summed over its tokens, `[batch]`.
    #[must_use]
    pub fn ar_losses(&self, log_probs: Tensor<3>, batch: &PairBatch) -> Tensor<1> {
        let picked = log_probs.gather(2, batch.tokens.clone().unsqueeze_dim(2));
        let padding = batch.tokens.clone().equal_elem(self.letters as i64 + 1);
        let [size, _] = padding.dims();
        let losses = picked.neg().squeeze_dim::<2>(2).mask_fill(padding, 0.0);
        losses.sum_dim(1).reshape([size])
    }

    /// The share of letters that the generating decoder puts first, given the right ones before.
    #[must_use]
    pub fn letters_right(&self, log_probs: Tensor<3>, batch: &PairBatch) -> f64 {
        let [size, tokens, _] = log_probs.dims();
        let best = log_probs.argmax(2).reshape([size, tokens]);
        let letter = batch.tokens.clone().lower_equal_elem(self.letters as i64);
        let right = best.equal(batch.tokens.clone()).bool_and(letter.clone());
        let count = |mask: Tensor<2, Bool>| mask.int().sum().into_scalar::<i64>() as f64;
        count(right) / count(letter)
    }

    /// The layers of the decoder that sees both directions.
    #[must_use]
    pub fn nar_decoder(&self) -> &TransformerDecoder {
        &self.nar
    }

    /// The model with the decoder that sees both directions held still.
    #[must_use]
    pub fn frozen_nar(mut self) -> Self {
        self.frames = self.frames.no_grad();
        self.nar = self.nar.no_grad();
        self.nar_head = self.nar_head.no_grad();
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
