//! # generate
//!
//! Completions of prompts, sampled in batches from any model that gives the next token's logits.
//!
//! Source: Regimen's own; the draw of each token is [`TokenSampler`]'s.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::completion::{End, check_token};
use super::rollouts::{Rollout, Rollouts};
use super::rows::Row;
use super::traits::NextToken;
use crate::decoding::{Sampled, TokenSampler};
use crate::error::{Result, RlRewardsError};
use crate::keyed::key;

/// Tokens of a completion at most.
const MOST: usize = 1 << 24;

/// How completions are sampled.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `sampler` | | temperature, top-k, top-p; its positions count sampled tokens |
/// | `end` | | the end token |
/// | `max_tokens` | | tokens of a completion at most, observed ones included |
/// | `batch` | 512 | rows that are sampled at once |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Decoding {
    sampler: TokenSampler,
    end: u32,
    max_tokens: usize,
    batch: usize,
}
checked_serde!(Decoding);

impl Decoding {
    /// With this sampler, end token, and so many tokens at most.
    ///
    /// # Errors
    /// If `max_tokens` is not 1 to 2^24, or the end token is above 2^31 - 1.
    pub fn new(sampler: TokenSampler, end: u32, max_tokens: usize) -> Result<Self> {
        Self {
            sampler,
            end,
            max_tokens,
            batch: 512,
        }
        .checked()
    }

    /// So many rows at once: memory grows with them, the samples do not change. The samples of one prompt are never split, so that a batch
    /// has at least these.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_batch(self, batch: usize) -> Result<Self> {
        Self { batch, ..self }.checked()
    }

    /// The sampler.
    #[must_use]
    pub fn sampler(&self) -> &TokenSampler {
        &self.sampler
    }

    /// The same with another sampler, such as that of another temperature.
    #[must_use]
    pub fn with_sampler(self, sampler: TokenSampler) -> Self {
        Self { sampler, ..self }
    }

    /// The end token.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.end
    }

    /// Tokens of a completion at most.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Rows that are sampled at once.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch
    }
}

impl Checked for Decoding {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let check = |field, value: usize, most: usize, allowed| {
            crate::error::check(field, value as f64, (1..=most).contains(&value), allowed)
        };
        check_token("end", self.end)?;
        check("max_tokens", self.max_tokens, MOST, "1 to 2^24")?;
        check("batch", self.batch, usize::MAX, "1 or more")
    }
}

/// What writes into a completion beside the policy, such as a calculator.
pub trait Observer {
    /// The tokens that follow, without being sampled, after the newest one of `completion`; mostly none.
    fn observe(&self, prompt: &[u32], completion: &[u32]) -> Vec<u32>;
}

impl<F: Fn(&[u32], &[u32]) -> Vec<u32>> Observer for F {
    fn observe(&self, prompt: &[u32], completion: &[u32]) -> Vec<u32> {
        self(prompt, completion)
    }
}

/// Samples `samples` completions of each prompt.
///
/// A token follows from the seed, the prompt's tokens, the number of the sample and of the token: not from the batch in which it is
/// drawn, nor from the other prompts. A prompt that is there twice gives the same completions twice: give each its own seed where that is
/// not wanted.
///
/// A prompt is read once for all its samples. When half of the rows have ended, the others go on in a smaller batch. The tokens are
/// read from the device once a step, since the end token decides.
///
/// # Errors
/// If a prompt has no token, a token is above 2^31 - 1, the model's logits hold no distribution, and the errors of the model.
pub fn generate<M: NextToken>(
    model: &M,
    prompts: &[Vec<u32>],
    samples: usize,
    decoding: &Decoding,
    seed: u64,
    device: &Device,
) -> Result<Rollouts> {
    let nothing = |_: &[u32], _: &[u32]| Vec::new();
    generate_with(model, prompts, samples, decoding, &nothing, seed, device)
}

/// As [`generate`], with an observer that may write into the completions.
///
/// # Errors
/// As for [`generate`].
pub fn generate_with<M: NextToken>(
    model: &M,
    prompts: &[Vec<u32>],
    samples: usize,
    decoding: &Decoding,
    observer: &dyn Observer,
    seed: u64,
    device: &Device,
) -> Result<Rollouts> {
    let empty = Rollouts::new(prompts.to_vec(), Vec::new())?;
    let mut lengths: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, prompt) in prompts.iter().enumerate() {
        lengths.entry(prompt.len()).or_default().push(place);
    }
    let keys: Vec<u64> = prompts.iter().map(|prompt| key(prompt)).collect();
    let batch = Batch {
        model,
        prompts,
        keys: &keys,
        decoding,
        observer,
        stops: None,
        seed,
        device,
    };
    let at_once = (decoding.batch / samples.max(1)).max(1);
    let mut rows = Vec::new();
    if samples > 0 {
        for places in lengths.values() {
            for places in places.chunks(at_once) {
                let text = |place: &usize| prompts[*place].clone();
                let texts: Vec<Vec<u32>> = places.iter().map(text).collect();
                let of_place = |place: &usize| (0..samples).map(|i| Row::new(*place, i)).collect();
                let groups: Vec<Vec<Row>> = places.iter().map(of_place).collect();
                rows.extend(batch.complete(&texts, groups)?);
            }
        }
    }
    rows.sort_by_key(|row| (row.prompt, row.sample));
    let rollouts = rows.into_iter().map(|row| Rollout {
        prompt: row.prompt,
        completion: row.completion,
    });
    Rollouts::new(empty.prompts().to_vec(), rollouts.collect())
}

/// Whether a row stops after a text.
type Stops<'a> = dyn Fn(&[u32]) -> bool + 'a;

/// Rows that are sampled together.
pub(super) struct Batch<'a, M> {
    pub(super) model: &'a M,
    pub(super) prompts: &'a [Vec<u32>],
    /// What the draws of a prompt's rows follow from, beside the seed.
    pub(super) keys: &'a [u64],
    pub(super) decoding: &'a Decoding,
    pub(super) observer: &'a dyn Observer,
    /// Whether a row stops after a text, though it has not ended.
    pub(super) stops: Option<&'a Stops<'a>>,
    pub(super) seed: u64,
    pub(super) device: &'a Device,
}

impl<M: NextToken> Batch<'_, M> {
    /// Reads texts of one length, each once, and goes on with the rows of each.
    pub(super) fn complete(&self, texts: &[Vec<u32>], groups: Vec<Vec<Row>>) -> Result<Vec<Row>> {
        let length = texts.first().map_or(0, Vec::len);
        let tokens: Vec<i64> = texts
            .iter()
            .flatten()
            .map(|token| i64::from(*token))
            .collect();
        let tokens = TensorData::new(tokens, [texts.len(), length]);
        let tokens = Tensor::<2, Int>::from_data(tokens, self.device);
        let (logits, cache) = self.model.read(tokens, self.decoding.max_tokens)?;
        let repeated = groups.iter().enumerate();
        let repeated = repeated.flat_map(|(text, rows)| std::iter::repeat_n(text, rows.len()));
        let repeated = self.indices(&repeated.collect::<Vec<_>>());
        let mut logits = logits.select(0, repeated.clone());
        let mut cache = self.model.keep(cache, repeated);
        let mut rows: Vec<Row> = groups.into_iter().flatten().collect();
        let mut ended = Vec::new();
        loop {
            let next = self.step(&mut rows, logits)?;
            let open: Vec<usize> = (0..rows.len()).filter(|row| !rows[*row].done).collect();
            if open.is_empty() {
                break;
            }
            let mut next = self.tokens(&next);
            if 2 * open.len() <= rows.len() {
                let kept = self.indices(&open);
                next = next.select(0, kept.clone());
                cache = self.model.keep(cache, kept);
                let (going, over) = rows.into_iter().partition(|row| !row.done);
                rows = going;
                let over: Vec<Row> = over;
                ended.extend(over);
            }
            logits = self.model.read_next(next, &mut cache)?;
        }
        ended.extend(rows);
        Ok(ended)
    }

    /// One token of each row that has not ended: the token that each row reads next.
    fn step(&self, rows: &mut [Row], logits: Tensor<2>) -> Result<Vec<u32>> {
        let positions: Vec<usize> = rows.iter().map(|row| row.sampled).collect();
        let keyed = rows
            .iter()
            .map(|row| row.rng(self.seed, self.keys[row.prompt]));
        let mut rngs: Vec<_> = keyed.collect();
        let sampler = &self.decoding.sampler;
        let Sampled { tokens, log_probs } = sampler.sample_rows(logits, &positions, &mut rngs)?;
        let read = |reason: String| RlRewardsError::Read(reason);
        let tokens = tokens
            .try_into_vec_as::<i64>()
            .map_err(|e| read(e.to_string()))?;
        let log_probs = log_probs.try_into_vec_as::<f32>();
        let log_probs = log_probs.map_err(|e| read(e.to_string()))?;
        let mut next = Vec::with_capacity(rows.len());
        for (place, row) in rows.iter_mut().enumerate() {
            if row.done {
                next.push(self.decoding.end);
                continue;
            }
            if let Some(token) = row.forced.pop_front() {
                check_token("observed", token)?;
                row.completion.observed(token);
                next.push(token);
                row.done = self.stops(row);
                continue;
            }
            let (token, log_prob) = (tokens[place] as u32, log_probs[place]);
            if log_prob.is_nan() {
                return Err(RlRewardsError::NoDistribution { row: place });
            }
            row.completion.sampled(token, log_prob)?;
            row.sampled += 1;
            next.push(token);
            if token == self.decoding.end {
                row.done = true;
                let completion = row.completion.clone();
                row.completion = completion.with_end(End::EndToken);
            } else {
                let (prompt, so_far) = (&self.prompts[row.prompt], row.completion.tokens());
                row.forced = self.observer.observe(prompt, so_far).into();
                row.done = self.stops(row);
            }
        }
        Ok(next)
    }

    /// Whether a row that did not end has all its tokens, or is where it stops.
    fn stops(&self, row: &Row) -> bool {
        let is_full = row.completion.len() >= self.decoding.max_tokens;
        let stops = |stops: &Stops<'_>| stops(row.completion.tokens());
        is_full || row.forced.is_empty() && self.stops.is_some_and(stops)
    }

    fn tokens(&self, tokens: &[u32]) -> Tensor<1, Int> {
        let values: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
        Tensor::from_data(TensorData::new(values, [tokens.len()]), self.device)
    }

    fn indices(&self, rows: &[usize]) -> Tensor<1, Int> {
        let values: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
        Tensor::from_data(TensorData::new(values, [rows.len()]), self.device)
    }
}
