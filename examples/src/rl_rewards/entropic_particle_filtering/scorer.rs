//! A process reward: a network that was fitted to the policy's own samples.

use std::cell::RefCell;
use std::collections::HashMap;

use anyhow::Result;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, Rollout, Rollouts, Sequences};
use regimen_rl_rewards::search::ProcessReward;
use regimen_rl_rewards::{Result as Scored, RlRewardsError};

use crate::optim::adam;
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::ppo::Critic;
use crate::rl_rewards::bed::symbols::BLANK;

/// Texts of an update.
const BATCH: usize = 64;

/// A sampled text of a prompt, with the label of each beginning that ends with a step: its tokens, and whether all of it is right.
#[derive(Clone, Debug)]
pub(super) struct Labelled {
    pub(super) prompt: Vec<u32>,
    pub(super) text: Completion,
    pub(super) labels: Vec<(usize, bool)>,
}

/// Scores beginnings; each text once, whoever asks.
pub(super) struct Scorer {
    critic: Critic,
    device: Device,
    seen: RefCell<HashMap<Vec<u32>, f64>>,
}

/// A text with one more token, so that the value ahead of that is the value after the text.
fn extended(prompt: &[u32], text: &Completion, place: usize) -> (Vec<u32>, Rollout) {
    let mut completion = text.clone();
    completion.observed(BLANK);
    let rollout = Rollout {
        prompt: place,
        completion,
    };
    (prompt.to_vec(), rollout)
}

/// Values `[texts, T]` ahead of each token of the texts and after the last.
fn values(critic: &Critic, texts: &[(&[u32], &Completion)], device: &Device) -> Result<Tensor<2>> {
    let pairs = texts.iter().enumerate();
    let pairs = pairs.map(|(place, (prompt, text))| extended(prompt, text, place));
    let (prompts, rollouts) = pairs.unzip();
    let sequences = Sequences::new(&Rollouts::new(prompts, rollouts)?, BLANK, device)?;
    critic.values(&sequences)
}

impl Scorer {
    /// Fits a network, which starts from the policy, to labelled texts: Adam at a rate, so many updates of 64 texts.
    pub(super) fn fit(
        policy: &Policy,
        texts: &[Labelled],
        (updates, rate): (usize, f64),
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let mut critic = Critic::from_policy(policy, device);
        let mut optim = adam(0.999);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut order: Vec<usize> = Vec::new();
        for _ in 0..updates {
            if order.len() < BATCH {
                order = (0..texts.len()).collect();
                order.shuffle(&mut rng);
            }
            let some = order.split_off(order.len().saturating_sub(BATCH));
            let some: Vec<&Labelled> = some.into_iter().map(|place| &texts[place]).collect();
            let pairs: Vec<_> = some
                .iter()
                .map(|one| (one.prompt.as_slice(), &one.text))
                .collect();
            let logits = values(&critic, &pairs, device)?;
            let [rows, width] = logits.dims();
            // The sign of a label where there is one, else 0.
            let mut signs = vec![0_f32; rows * width];
            for (row, one) in some.iter().enumerate() {
                for (tokens, right) in &one.labels {
                    signs[row * width + tokens] = if *right { 1.0 } else { -1.0 };
                }
            }
            let count = signs.iter().filter(|sign| **sign != 0.0).count().max(1) as f64;
            let signs = Tensor::<2>::from_data(TensorData::new(signs, [rows, width]), device);
            let counted = signs.clone().abs();
            let loss = -(log_sigmoid(logits * signs) * counted).sum() / count;
            let grads = GradientsParams::from_grads(loss.backward(), &critic);
            critic = optim.step(rate, critic, grads);
        }
        Ok(Self {
            critic: critic.valid(),
            device: device.clone().inner(),
            seen: RefCell::default(),
        })
    }
}

impl ProcessReward for Scorer {
    fn scores(&self, texts: &[(&[u32], &Completion)]) -> Scored<Vec<f64>> {
        let name = |(prompt, text): &(&[u32], &Completion)| [prompt, text.tokens()].concat();
        let mut seen = self.seen.borrow_mut();
        let mut new: Vec<(Vec<u32>, (&[u32], &Completion))> = Vec::new();
        for text in texts {
            let name = name(text);
            if !seen.contains_key(&name) {
                seen.insert(name.clone(), f64::NAN);
                new.push((name, *text));
            }
        }
        let read = |reason: String| RlRewardsError::Read(reason);
        for some in new.chunks(512) {
            let pairs: Vec<_> = some.iter().map(|(_, text)| *text).collect();
            let found = values(&self.critic, &pairs, &self.device);
            let found = found.map_err(|error| read(error.to_string()))?;
            let [_, width] = found.dims();
            let found = found.try_into_vec_as::<f64>();
            let found = found.map_err(|error| read(error.to_string()))?;
            for (row, (name, (_, text))) in some.iter().enumerate() {
                let value = found[row * width + text.len()];
                seen.insert(name.clone(), 1.0 / (1.0 + (-value).exp()));
            }
        }
        let score = |text| seen.get(&name(text)).copied().unwrap_or(f64::NAN);
        Ok(texts.iter().map(score).collect())
    }
}
