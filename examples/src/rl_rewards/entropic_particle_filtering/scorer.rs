//! A process reward: a small network over the steps of a text, fitted to the policy's own samples.

use std::cell::RefCell;
use std::collections::HashMap;

use anyhow::Result;
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::activation::{log_sigmoid, relu};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::Completion;
use regimen_rl_rewards::search::{ProcessReward, StepScores};
use regimen_rl_rewards::{Result as Scored, RlRewardsError};

use crate::optim::adam;
use crate::rl_rewards::bed::symbols::{ANSWER, BLANK, WORDS};

/// Texts of an update.
const BATCH: usize = 64;

/// The smallest probability of an error, for its logarithm.
const SMALLEST: f64 = 1e-6;

/// A sampled text of a prompt, with the label of each beginning that ends with a step: its tokens, and whether all of it is right.
#[derive(Clone, Debug)]
pub(super) struct Labelled {
    pub(super) prompt: Vec<u32>,
    pub(super) text: Completion,
    pub(super) labels: Vec<(usize, bool)>,
}

/// What a step is: the result before it, the operation and the number of the prompt, and the token that was written.
pub(super) type Step = [u32; 4];

/// The steps of a text: a running result each, and, from the answer's mark on, what the answer is said to be.
pub(super) fn steps(prompt: &[u32], text: &[u32]) -> Vec<Step> {
    let of_prompt = |place: usize| prompt.get(place).copied().unwrap_or(BLANK);
    let mut value = of_prompt(0);
    let mut found = Vec::new();
    for (place, token) in text.iter().enumerate() {
        if *token == ANSWER {
            let [said, last] = [1, 2].map(|ahead| text.get(place + ahead));
            let [said, last] = [said, last].map(|token| token.copied().unwrap_or(BLANK));
            found.push([value, ANSWER, said, last]);
            break;
        }
        let asked = [of_prompt(2 * place + 1), of_prompt(2 * place + 2)];
        found.push([value, asked[0], asked[1], *token]);
        value = *token;
    }
    found
}

/// A network of steps.
#[derive(Config, Debug)]
pub(super) struct StepNetworkConfig {
    #[config(default = 16)]
    embedding: usize,
    #[config(default = 128)]
    hidden: usize,
}

/// Each symbol embedded by its place, one hidden layer with ReLU, and one number: the log-odds that the step is right.
#[derive(Module, Debug)]
pub(super) struct StepNetwork {
    symbols: Embedding,
    hidden: Linear,
    head: Linear,
}

impl StepNetworkConfig {
    fn init(&self, device: &Device) -> StepNetwork {
        StepNetwork {
            symbols: EmbeddingConfig::new(WORDS, self.embedding).init(device),
            hidden: LinearConfig::new(4 * self.embedding, self.hidden).init(device),
            head: LinearConfig::new(self.hidden, 1).init(device),
        }
    }
}

impl StepNetwork {
    /// Symbols `[steps, 4]` to log-odds `[steps, 1]`.
    fn forward(&self, symbols: Tensor<2, Int>) -> Tensor<2> {
        let x = self.symbols.forward(symbols).flatten(1, 2);
        self.head.forward(relu(self.hidden.forward(x)))
    }
}

/// Scores a beginning by the product of its steps' scores; each step once, whoever asks.
pub(super) struct Scorer {
    network: StepNetwork,
    device: Device,
    seen: RefCell<HashMap<Step, f64>>,
}

impl Scorer {
    /// Fits a network to labelled texts: Adam at a rate, so many updates of 64 texts. The likelihood is that of the beginnings' labels: a beginning is
    /// right with the product of its steps' probabilities.
    pub(super) fn fit(
        texts: &[Labelled],
        (updates, rate): (usize, f64),
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let mut network = StepNetworkConfig::new().init(device);
        let mut optim = adam(0.999);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let all: Vec<Vec<Step>> = texts
            .iter()
            .map(|one| steps(&one.prompt, one.text.tokens()))
            .collect();
        let width = all.iter().map(Vec::len).max().unwrap_or(0);
        let signs: Vec<Vec<f32>> = texts.iter().map(|one| signs(one, width)).collect();
        let sums = Tensor::<2>::ones([width, width], device).triu(0);
        let mut order: Vec<usize> = Vec::new();
        for _ in 0..updates {
            if order.len() < BATCH {
                order = (0..texts.len()).collect();
                order.shuffle(&mut rng);
            }
            let some = order.split_off(order.len().saturating_sub(BATCH));
            let rows = some.len();
            let padded = some.iter().flat_map(|place| {
                let own = all[*place].iter().copied();
                own.chain(std::iter::repeat([BLANK; 4])).take(width)
            });
            let symbols = symbols(padded, device);
            let signs: Vec<f32> = some
                .iter()
                .flat_map(|place| &signs[*place])
                .copied()
                .collect();
            let count = signs.iter().filter(|sign| **sign != 0.0).count().max(1) as f64;
            let signs = Tensor::<2>::from_data(TensorData::new(signs, [rows, width]), device);
            let steps = log_sigmoid(network.forward(symbols)).reshape([rows, width]);
            let right = steps.matmul(sums.clone());
            let wrong = (-right.clone().exp() + (1.0 + SMALLEST)).log();
            let likely =
                right * signs.clone().greater_elem(0).float() + wrong * signs.lower_elem(0).float();
            let grads = GradientsParams::from_grads((-likely.sum() / count).backward(), &network);
            network = optim.step(rate, network, grads);
        }
        Ok(Self {
            network: network.valid(),
            device: device.clone().inner(),
            seen: RefCell::default(),
        })
    }
}

/// Of each step of a text, 1 if the text up to it is right, -1 if not, 0 without a label.
fn signs(one: &Labelled, width: usize) -> Vec<f32> {
    let mut signs = vec![0.0; width];
    for (tokens, right) in &one.labels {
        let place = steps(&one.prompt, &one.text.tokens()[..*tokens]).len();
        if let Some(sign) = place.checked_sub(1).and_then(|place| signs.get_mut(place)) {
            *sign = if *right { 1.0 } else { -1.0 };
        }
    }
    signs
}

/// Steps as symbols `[steps, 4]`.
fn symbols(steps: impl Iterator<Item = Step>, device: &Device) -> Tensor<2, Int> {
    let flat: Vec<i32> = steps.flatten().map(|symbol| symbol as i32).collect();
    let rows = flat.len() / 4;
    Tensor::from_data(TensorData::new(flat, [rows, 4]), device)
}

impl ProcessReward for Scorer {
    fn scores(&self, texts: &[(&[u32], &Completion)]) -> Scored<Vec<f64>> {
        let all = texts
            .iter()
            .map(|(prompt, text)| steps(prompt, text.tokens()));
        let all: Vec<Vec<Step>> = all.collect();
        let mut seen = self.seen.borrow_mut();
        let mut new: Vec<Step> = all.iter().flatten().copied().collect();
        new.sort_unstable();
        new.dedup();
        new.retain(|step| !seen.contains_key(step));
        if !new.is_empty() {
            let found = self
                .network
                .forward(symbols(new.iter().copied(), &self.device));
            let found = found.try_into_vec_as::<f64>();
            let found = found.map_err(|error| RlRewardsError::Read(error.to_string()))?;
            let scores = found.into_iter().map(|value| 1.0 / (1.0 + (-value).exp()));
            seen.extend(new.into_iter().zip(scores));
        }
        let score = |steps: &Vec<Step>| {
            let own = steps.iter().filter_map(|step| seen.get(step).copied());
            StepScores::Product.of(&own.collect::<Vec<_>>())
        };
        all.iter().map(score).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::rl_rewards::bed::symbols::{END, EQUALS, OPERATIONS};

    use super::*;

    /// `5 * 3 - 4 =` with `1 4 ; 4 .`, and beginnings of it.
    #[test]
    fn a_text_falls_into_steps() {
        let prompt = [5, OPERATIONS[2], 3, OPERATIONS[1], 4, EQUALS];
        let text = [1, 4, ANSWER, 4, END];
        let all = [
            [5, OPERATIONS[2], 3, 1],
            [1, OPERATIONS[1], 4, 4],
            [4, ANSWER, 4, END],
        ];
        assert_eq!(steps(&prompt, &text), all);
        assert_eq!(steps(&prompt, &text[..2]), all[..2]);
        assert_eq!(steps(&prompt, &[]), [[0; 4]; 0]);
        // More results than operations.
        assert_eq!(steps(&prompt, &[1, 4, 6])[2], [4, EQUALS, BLANK, 6]);
        assert_eq!(steps(&prompt, &[1, ANSWER])[1], [1, ANSWER, BLANK, BLANK]);
    }
}
