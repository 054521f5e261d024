//! # ClipCov and KlCov
//!
//! Pick the tokens whose log-probability and advantage vary together: those that collapse the entropy.
//!
//! Source: "The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models", arXiv 2505.22617; as in verl 0.9.1.

use burn::tensor::{Bool, Tensor, TensorData};
use rand::Rng;
use rand::seq::SliceRandom;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::batch::TokenBatch;
use super::clip::Clip;
use super::tensors::{check_shape, wide};
use crate::advantage::Advantages;
use crate::error::{Result, RlRewardsError, check};

/// A random share of the tokens with a covariance `(A - mean A)(lp - mean lp)` within bounds, for
/// [`PolicyLoss::ClipCov`](super::PolicyLoss).
///
/// | parameter | default | range |
/// |---|---|---|
/// | `share` | 2e-4 of all tokens, one at least | above 0 and up to 1 |
/// | `low`, `high` | 1, 5, both left out | `low` below `high` |
/// | `clip` | 0.2, 0.2 | tokens whose ratio is clipped are not picked |
///
/// Means are over all tokens given: select once for the whole step, then cut it into micro-batches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ClipCov {
    share: f64,
    low: f64,
    high: f64,
    clip: Clip,
}

/// The share of tokens with the highest covariance, for [`PolicyLoss::KlCov`](super::PolicyLoss).
///
/// `share` is 2e-4 of all tokens by default, one at least; above 0 and up to 1. Of equal ones the first are picked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct KlCov {
    share: f64,
}
checked_serde!(ClipCov, KlCov);

impl Default for ClipCov {
    fn default() -> Self {
        Self {
            share: 2e-4,
            low: 1.0,
            high: 5.0,
            clip: Clip::PPO,
        }
    }
}

impl Default for KlCov {
    fn default() -> Self {
        Self { share: 2e-4 }
    }
}

impl ClipCov {
    /// With a share of tokens and the bounds of their covariance.
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn new(share: f64, low: f64, high: f64) -> Result<Self> {
        Self {
            share,
            low,
            high,
            ..Self::default()
        }
        .checked()
    }

    /// With the clip of the objective.
    #[must_use]
    pub fn with_clip(self, clip: Clip) -> Self {
        Self { clip, ..self }
    }

    /// The selected tokens `[rows, tokens]`, of which the batch takes note by [`TokenBatch::with_selected`]. Reads log-probabilities
    /// from the device.
    ///
    /// # Errors
    /// If shapes differ, a value that counts is not finite, or the device fails.
    pub fn select(
        &self,
        log_probs: &Tensor<2>,
        batch: &TokenBatch,
        advantages: &Advantages,
        rng: &mut impl Rng,
    ) -> Result<Tensor<2, Bool>> {
        let tokens = Tokens::read(log_probs, batch, advantages)?;
        let clipped = |token: &Token| {
            let ratio = token.difference.exp();
            (token.advantage > 0.0 && ratio > 1.0 + self.clip.high())
                || (token.advantage < 0.0 && ratio < 1.0 - self.clip.low())
        };
        let within = |token: &&Token| token.covariance > self.low && token.covariance < self.high;
        let good = tokens
            .tokens
            .iter()
            .filter(within)
            .filter(|token| !clipped(token));
        let mut places: Vec<usize> = good.map(|token| token.place).collect();
        places.shuffle(rng);
        places.truncate(tokens.share(self.share));
        Ok(tokens.mask(&places))
    }
}

impl KlCov {
    /// With a share of tokens.
    ///
    /// # Errors
    /// If `share` is out of its range.
    pub fn new(share: f64) -> Result<Self> {
        Self { share }.checked()
    }

    /// The selected tokens `[rows, tokens]`, as [`ClipCov::select`].
    ///
    /// # Errors
    /// As [`ClipCov::select`].
    pub fn select(
        &self,
        log_probs: &Tensor<2>,
        batch: &TokenBatch,
        advantages: &Advantages,
    ) -> Result<Tensor<2, Bool>> {
        let mut tokens = Tokens::read(log_probs, batch, advantages)?;
        tokens
            .tokens
            .sort_by(|a, b| b.covariance.total_cmp(&a.covariance));
        let places: Vec<usize> = tokens.tokens.iter().map(|token| token.place).collect();
        let count = tokens.share(self.share).min(places.len());
        Ok(tokens.mask(&places[..count]))
    }
}

/// A token that counts.
struct Token {
    place: usize,
    advantage: f64,
    difference: f64,
    covariance: f64,
}

struct Tokens {
    tokens: Vec<Token>,
    like: Tensor<2, Bool>,
}

impl Tokens {
    fn read(log_probs: &Tensor<2>, batch: &TokenBatch, advantages: &Advantages) -> Result<Self> {
        let [rows, width] = batch.dims();
        check_shape("log_probs", log_probs.dims(), [rows, width])?;
        let of_row = advantages.tokens().unwrap_or(1);
        let of_row = if of_row == 1 { 1 } else { width };
        check_shape(
            "advantages",
            [advantages.responses(), advantages.tokens().unwrap_or(1)],
            [rows, of_row],
        )?;
        let log_probs = wide(log_probs.clone().inner());
        let dtype = log_probs.dtype();
        let old = batch
            .old
            .clone()
            .map_or_else(|| log_probs.clone(), |old| old.cast(dtype));
        let all = Tensor::cat(vec![log_probs, old, batch.ones(dtype)], 0);
        let all = all.try_into_vec_as::<f64>();
        let all = all.map_err(|reason| RlRewardsError::Read(reason.to_string()))?;
        let (log_probs, rest) = all.split_at(rows * width);
        let (old, mask) = rest.split_at(rows * width);
        let valid: Vec<usize> = (0..mask.len()).filter(|place| mask[*place] > 0.0).collect();
        let advantage = |place: usize| match of_row {
            1 => advantages.values()[place / width],
            _ => advantages.values()[place],
        };
        let mean = |of: &dyn Fn(usize) -> f64| {
            valid.iter().map(|place| of(*place)).sum::<f64>() / valid.len().max(1) as f64
        };
        let (advantages, logs) = (mean(&advantage), mean(&|place| log_probs[place]));
        check("log_probs", logs, true, "finite where the mask is true")?;
        let token = |place: usize| Token {
            place,
            advantage: advantage(place),
            difference: log_probs[place] - old[place],
            covariance: (advantage(place) - advantages) * (log_probs[place] - logs),
        };
        Ok(Self {
            tokens: valid.into_iter().map(token).collect(),
            like: batch.mask(),
        })
    }

    /// How many tokens a share is: one at least.
    fn share(&self, share: f64) -> usize {
        ((self.tokens.len() as f64 * share) as usize).max(1)
    }

    fn mask(&self, places: &[usize]) -> Tensor<2, Bool> {
        let [rows, width] = self.like.dims();
        let mut mask = vec![false; rows * width];
        for place in places {
            mask[*place] = true;
        }
        Tensor::from_data(TensorData::new(mask, [rows, width]), &self.like.device())
    }
}

fn check_share(share: f64) -> Result<()> {
    check(
        "share",
        share,
        share > 0.0 && share <= 1.0,
        "above 0 and up to 1",
    )
}

impl Checked for ClipCov {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_share(self.share)?;
        check("low", self.low, self.low < self.high, "below `high`")?;
        check("high", self.high, true, "finite")?;
        self.clip.check()
    }
}

impl Checked for KlCov {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_share(self.share)
    }
}
