//! A decoder-only transformer: a place is a column within its line and a line, and a newline starts the next line.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{
    Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig, RmsNorm, RmsNormConfig,
};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Bool, Device, Int, Tensor};
use regimen_rl_rewards::policy::{NextToken, ScorePolicy, Sequences};
use regimen_rl_rewards::{Result, RlRewardsError};

use super::symbols::{NEWLINE, WORDS};
use crate::experiment::Context;

/// Sizes of a [`Policy`].
#[derive(Config, Debug)]
pub struct PolicyConfig {
    /// Blocks of attention and perceptron.
    #[config(default = 2)]
    pub layers: usize,
    /// Features of a token.
    #[config(default = 64)]
    pub width: usize,
    /// Heads of attention.
    #[config(default = 4)]
    pub heads: usize,
    /// Hidden units of a perceptron.
    #[config(default = 128)]
    pub hidden: usize,
    /// Columns of a line at most.
    #[config(default = 32)]
    pub columns: usize,
    /// Lines at most.
    #[config(default = 16)]
    pub lines: usize,
}

/// A transformer with RMS norms ahead of its blocks, no biases, and an output of its own.
#[derive(Module, Debug)]
pub struct Policy {
    words: Embedding,
    columns: Embedding,
    lines: Embedding,
    blocks: Vec<Block>,
    norm: RmsNorm,
    head: Linear,
}

#[derive(Module, Debug)]
struct Block {
    before_attention: RmsNorm,
    /// Queries, keys and values next to each other.
    entry: Linear,
    exit: Linear,
    before_perceptron: RmsNorm,
    up: Linear,
    down: Linear,
    heads: usize,
}

impl PolicyConfig {
    /// As large as it is in a run of this size.
    #[must_use]
    pub fn sized(context: &Context) -> Self {
        let config = Self::new();
        match context {
            Context { full: true, .. } => config.with_layers(4).with_width(128).with_hidden(512),
            Context { small: true, .. } => config.with_width(32).with_hidden(64),
            _ => config,
        }
    }

    /// Draws the weights from the device's generator.
    #[must_use]
    pub fn init(&self, device: &Device) -> Policy {
        let width = self.width;
        let small = Initializer::Normal {
            mean: 0.0,
            std: 0.1,
        };
        let embedding = |words| {
            let table = EmbeddingConfig::new(words, width);
            table.with_initializer(small.clone()).init(device)
        };
        let linear = |from, to| LinearConfig::new(from, to).with_bias(false).init(device);
        let norm = || RmsNormConfig::new(width).init(device);
        let block = |_| Block {
            before_attention: norm(),
            entry: linear(width, 3 * width),
            exit: linear(width, width),
            before_perceptron: norm(),
            up: linear(width, self.hidden),
            down: linear(self.hidden, width),
            heads: self.heads,
        };
        Policy {
            words: embedding(WORDS),
            columns: embedding(self.columns),
            lines: embedding(self.lines),
            blocks: (0..self.layers).map(block).collect(),
            norm: norm(),
            head: linear(width, WORDS),
        }
    }
}

/// Keys and values of what was read, and where the next token stands.
#[derive(Clone, Debug)]
pub struct Cache {
    layers: Vec<Kept>,
    /// Tokens read.
    length: usize,
    /// Column and line of the next token, `[rows, 1]`.
    column: Tensor<2, Int>,
    line: Tensor<2, Int>,
}

/// `[rows, heads, places, features]`, of which the first `length` are filled.
#[derive(Clone, Debug)]
struct Kept {
    keys: Tensor<4>,
    values: Tensor<4>,
}

impl Block {
    /// `[rows, length, width]` with keys and values of `length` earlier places ahead of its own.
    fn forward(
        &self,
        x: Tensor<3>,
        mask: Option<Tensor<4, Bool>>,
        kept: Option<(&mut Kept, usize)>,
    ) -> Tensor<3> {
        let [rows, length, width] = x.dims();
        let entry = self.entry.forward(self.before_attention.forward(x.clone()));
        let heads = [rows, length, 3 * self.heads, width / self.heads];
        let all = entry.reshape(heads).swap_dims(1, 2);
        let [queries, keys, values] =
            [0, 1, 2].map(|part| all.clone().narrow(1, part * self.heads, self.heads));
        let (keys, values) = match kept {
            Some((kept, from)) => kept.with(keys, values, from),
            None => (keys, values),
        };
        let scale = ((width / self.heads) as f64).sqrt();
        let scores = queries.matmul(keys.swap_dims(2, 3)) / scale;
        let scores = match mask {
            Some(mask) => scores.mask_fill(mask, f32::NEG_INFINITY),
            None => scores,
        };
        let found = softmax(scores, 3).matmul(values).swap_dims(1, 2);
        let x = x + self.exit.forward(found.reshape([rows, length, width]));
        let hidden = relu(self.up.forward(self.before_perceptron.forward(x.clone())));
        x + self.down.forward(hidden)
    }
}

impl Kept {
    /// Room for so many places like this one's.
    fn room(like: &Tensor<4>, places: usize) -> Self {
        let [rows, heads, _, features] = like.dims();
        let room = || {
            Tensor::zeros(
                [rows, heads, places, features],
                (&like.device(), like.dtype()),
            )
        };
        Self {
            keys: room(),
            values: room(),
        }
    }

    /// Writes keys and values of the places after the first `from`, and gives all that there are.
    fn with(&mut self, keys: Tensor<4>, values: Tensor<4>, from: usize) -> (Tensor<4>, Tensor<4>) {
        let [rows, heads, length, features] = keys.dims();
        let [_, room, places, _] = self.keys.dims();
        if room == 0 || places == 0 {
            return (keys, values);
        }
        let write = |all: &mut Tensor<4>, new: Tensor<4>| {
            let empty = Tensor::zeros([1, 1, 1, 1], (&new.device(), new.dtype()));
            let owned = std::mem::replace(all, empty);
            let whole = [0..rows, 0..heads, from..from + length, 0..features];
            *all = owned.slice_assign(whole, new);
            all.clone().narrow(2, 0, from + length)
        };
        let keys = write(&mut self.keys, keys);
        (keys, write(&mut self.values, values))
    }
}

impl Policy {
    /// Tokens `[rows, length]` to logits `[rows, length, words]`, each place seeing itself and those before it.
    #[must_use]
    pub fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        self.head.forward(self.hidden(tokens))
    }

    /// Features of a token.
    #[must_use]
    pub fn width(&self) -> usize {
        self.words.weight.dims()[1]
    }

    /// What the logits are made of, `[rows, length, width]`.
    #[must_use]
    pub fn hidden(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let [_, length] = tokens.dims();
        let (column, line) = places(&tokens);
        let mask = causal(length, &tokens.device());
        let mut x = self.embed(tokens, column, line);
        for block in &self.blocks {
            x = block.forward(x, Some(mask.clone()), None);
        }
        self.norm.forward(x)
    }

    fn embed(
        &self,
        tokens: Tensor<2, Int>,
        column: Tensor<2, Int>,
        line: Tensor<2, Int>,
    ) -> Tensor<3> {
        let last = |table: &Embedding| table.weight.dims()[0] as i64 - 1;
        self.words.forward(tokens)
            + self.columns.forward(column.clamp_max(last(&self.columns)))
            + self.lines.forward(line.clamp_max(last(&self.lines)))
    }

    /// Logits after the last place.
    fn last(&self, x: Tensor<3>) -> Tensor<2> {
        let [_, length, _] = x.dims();
        let last: Tensor<2> = x.narrow(1, length - 1, 1).squeeze_dim(1);
        self.head.forward(self.norm.forward(last))
    }
}

/// What each place may not see: those after it, `[1, 1, length, length]`.
fn causal(length: usize, device: &Device) -> Tensor<4, Bool> {
    Tensor::<2, Bool>::tril_mask([length, length], 0, device).reshape([1, 1, length, length])
}

/// The column and the line of each place, `[rows, length]`.
fn places(tokens: &Tensor<2, Int>) -> (Tensor<2, Int>, Tensor<2, Int>) {
    let [rows, length] = tokens.dims();
    let newline = tokens.clone().equal_elem(i64::from(NEWLINE)).int();
    let line = newline.clone().cumsum(1) - newline.clone();
    let place = Tensor::arange(0..length as i64, &tokens.device());
    let place = place.reshape([1, length]).expand([rows, length]);
    // The place after the last newline up to each place; it counts for the places after it.
    let starts = (newline * (place.clone() + 1)).cummax(1);
    let none = Tensor::zeros([rows, 1], &tokens.device());
    let start = Tensor::cat(vec![none, starts.narrow(1, 0, length - 1)], 1);
    (place - start, line)
}

impl NextToken for Policy {
    type Cache = Cache;

    fn read(&self, prompts: Tensor<2, Int>, more: usize) -> Result<(Tensor<2>, Cache)> {
        let [_, length] = prompts.dims();
        if length == 0 {
            return Err(RlRewardsError::OutOfRange {
                field: "prompts",
                value: "without a token".into(),
                allowed: "one token or more",
            });
        }
        let (column, line) = places(&prompts);
        let mask = causal(length, &prompts.device());
        let next = prompts.clone().narrow(1, length - 1, 1);
        let last = |of: &Tensor<2, Int>| of.clone().narrow(1, length - 1, 1);
        let (column_now, line_now) = (last(&column), last(&line));
        let mut x = self.embed(prompts, column, line);
        let mut layers = Vec::new();
        for block in &self.blocks {
            let [rows, _, width] = x.dims();
            let like = x
                .clone()
                .reshape([rows, length, block.heads, width / block.heads]);
            let mut kept = Kept::room(&like.swap_dims(1, 2), length + more);
            x = block.forward(x, Some(mask.clone()), Some((&mut kept, 0)));
            layers.push(kept);
        }
        let (column, line) = after(next, column_now, line_now);
        let cache = Cache {
            layers,
            length,
            column,
            line,
        };
        Ok((self.last(x), cache))
    }

    fn read_next(&self, tokens: Tensor<1, Int>, cache: &mut Cache) -> Result<Tensor<2>> {
        let [rows] = tokens.dims();
        let tokens = tokens.reshape([rows, 1]);
        let (column, line) = (cache.column.clone(), cache.line.clone());
        let mut x = self.embed(tokens.clone(), column.clone(), line.clone());
        for (block, kept) in self.blocks.iter().zip(&mut cache.layers) {
            x = block.forward(x, None, Some((kept, cache.length)));
        }
        cache.length += 1;
        (cache.column, cache.line) = after(tokens, column, line);
        Ok(self.last(x))
    }

    fn keep(&self, cache: Cache, rows: Tensor<1, Int>) -> Cache {
        let layers = cache.layers.into_iter().map(|kept| Kept {
            keys: kept.keys.select(0, rows.clone()),
            values: kept.values.select(0, rows.clone()),
        });
        Cache {
            layers: layers.collect(),
            length: cache.length,
            column: cache.column.select(0, rows.clone()),
            line: cache.line.select(0, rows),
        }
    }
}

/// Column and line of the place after a token, `[rows, 1]`.
fn after(
    token: Tensor<2, Int>,
    column: Tensor<2, Int>,
    line: Tensor<2, Int>,
) -> (Tensor<2, Int>, Tensor<2, Int>) {
    let newline = token.equal_elem(i64::from(NEWLINE));
    let column = (column + 1).mask_fill(newline.clone(), 0);
    (column, line + newline.int())
}

impl ScorePolicy for Policy {
    fn log_probs(&self, sequences: &Sequences) -> Result<Tensor<2>> {
        sequences.log_probs(self.forward(sequences.tokens()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::TensorData;
    use regimen_rl_rewards::TokenSampler;
    use regimen_rl_rewards::policy::{Decoding, generate};
    use regimen_schedules::Constant;

    use super::*;

    #[test]
    fn a_newline_starts_the_next_line() {
        let tokens = [[5, 106, 106, 7, 8], [1, 2, 3, 106, 4]];
        let tokens = Tensor::<2, Int>::from_data(tokens, &Device::flex());
        let (column, line) = places(&tokens);
        let values = |tensor: Tensor<2, Int>| tensor.try_into_vec_as::<i64>().unwrap();
        assert_eq!(values(column), [0, 1, 0, 0, 1, 0, 1, 2, 3, 0]);
        assert_eq!(values(line), [0, 0, 1, 2, 2, 0, 0, 0, 0, 1]);
    }

    /// With the cache, rows dropped on the way, and lines that start while sampling: as by one pass over the whole.
    #[test]
    fn reading_token_by_token_is_reading_at_once() {
        let device = Device::flex();
        device.seed(3);
        let policy = PolicyConfig::new().init(&device);
        // Newlines and ends are frequent in a vocabulary of two.
        let prompts = [vec![5, 106, 9], vec![106, 4, 106], vec![1, 2]]
            .map(Vec::from)
            .to_vec();
        let sampler = TokenSampler::new(Constant::new(8.0).unwrap());
        let decoding = Decoding::new(sampler.clone(), 107, 20).unwrap();
        let rollouts = generate(&policy, &prompts, 8, &decoding, 1, &device).unwrap();
        let sequences = Sequences::new(&rollouts, 0, &device).unwrap();
        let logits = policy.forward(sequences.tokens());
        let full = sequences.log_probs(logits / 8.0).unwrap();
        let far = (full - sequences.sampler_log_probs()).abs().max();
        assert!(far.into_scalar::<f32>() < 1e-4);
        let lines = |one: &[u32]| one.iter().filter(|token| **token == NEWLINE).count();
        let mut all = rollouts.iter();
        assert!(all.any(|(_, completion)| lines(completion.tokens()) > 0));
    }

    #[test]
    fn a_prompt_without_a_token_is_refused() {
        let device = Device::flex();
        let policy = PolicyConfig::new().init(&device);
        let none = TensorData::new(Vec::<i64>::new(), [2, 0]);
        assert!(policy.read(Tensor::from_data(none, &device), 3).is_err());
    }
}
