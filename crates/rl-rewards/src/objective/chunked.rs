//! # Chunked
//!
//! An objective from hidden states and the output matrix, without all logits at once.
//!
//! Source: the fused linear losses of Liger Kernel, arXiv 2410.10989, for the objectives of this crate.

use std::ops::Range;

use burn::tensor::{Int, Tensor};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::aggregation::Denominator;
use super::batch::TokenBatch;
use super::metrics::Metrics;
use super::objective::Objective;
use super::softmax::Softmax;
use super::tensors::{check_shape, wide};
use crate::advantage::Advantages;
use crate::error::{Result, RlRewardsError, check};

/// Takes logits, losses and their gradients chunk by chunk, each chunk's backward pass at once, and hands on a loss with both.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `logits` | 2^26, 256 MB of f32 | 1 or more: the most logits at a time, one token's at least |
/// | `temperature` | 1 | above 0: that of the sampler |
///
/// A chunk is a number of whole rows; where one row has more logits than that, its logits are taken twice, piece by piece. Value and
/// gradients are those of [`Objective::loss`] of [`token_log_probs`](crate::token_log_probs) up to rounding. Three to four times a chunk
/// is held at the peak, besides the gradients of both factors. Logits are taken in f32 for half precision.
///
/// ```
/// use burn::tensor::{Bool, Device, Distribution, Int, Tensor};
/// use regimen_rl_rewards::{Advantages, Chunked, Objective, TokenBatch};
///
/// let device = Device::flex().autodiff();
/// let hidden = Tensor::<3>::random([2, 3, 4], Distribution::Default, &device).require_grad();
/// let output = Tensor::<2>::random([4, 9], Distribution::Default, &device).require_grad();
/// let tokens = Tensor::<2, Int>::from_data([[1, 2, 3], [4, 5, -100]], &device);
/// let batch = TokenBatch::new(tokens.clone().greater_equal_elem(0))?;
/// let advantages = Advantages::of_responses(vec![1.0, -1.0])?;
/// let (loss, _) = Chunked::default().loss(&Objective::dapo(), hidden.clone(), output, tokens, &batch, &advantages)?;
/// assert!(hidden.grad(&loss.backward()).is_some());
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Chunked {
    logits: usize,
    temperature: f64,
}
checked_serde!(Chunked);

impl Default for Chunked {
    fn default() -> Self {
        Self {
            logits: 1 << 26,
            temperature: 1.0,
        }
    }
}

/// What a pass goes through: plain tensors, not of half precision.
struct Factors {
    /// `[rows * tokens, width]`, divided by the temperature.
    hidden: Tensor<2>,
    output: Tensor<2>,
    /// `[rows * tokens, 1]`.
    words: Tensor<2, Int>,
    /// Tokens at a time.
    most: usize,
}

impl Chunked {
    /// With so many logits at a time.
    ///
    /// # Errors
    /// If `logits` is 0.
    pub fn new(logits: usize) -> Result<Self> {
        Self {
            logits,
            ..Self::default()
        }
        .checked()
    }

    /// Logits divided by a temperature.
    ///
    /// # Errors
    /// If it is not within 1e-6 and 1e6.
    pub fn with_temperature(self, temperature: f64) -> Result<Self> {
        Self {
            temperature,
            ..self
        }
        .checked()
    }

    /// Log-probabilities `[rows, tokens]` of tokens, without a gradient: what old and reference policies are scored by. NaN for a token
    /// that is no column of `output`, such as the -100 of padding. Hidden states `[rows, tokens, width]`, output `[width, words]`.
    ///
    /// # Errors
    /// If shapes differ or are empty.
    pub fn log_probs(
        &self,
        hidden: Tensor<3>,
        output: Tensor<2>,
        tokens: Tensor<2, Int>,
    ) -> Result<Tensor<2>> {
        let [rows, length] = tokens.dims();
        let factors = self.factors(&hidden, &output, tokens)?;
        let part = |at: Range<usize>| factors.softmax(at, false).log_probs;
        let parts = factors.pieces(0..rows * length).map(part).collect();
        Ok(Tensor::cat(parts, 0).reshape([rows, length]))
    }

    /// The objective's loss `[1]`, and what was seen on the way. Hidden states `[rows, tokens, width]`, output `[width, words]`, the
    /// sampled tokens `[rows, tokens]`.
    ///
    /// With an entropy bonus the entropies are taken here, whatever the batch has. Where the batch has no totals, or the objective divides by
    /// micro-batches, two counts are read from the device. Where neither hidden states nor output are tracked, there is no backward
    /// pass.
    ///
    /// # Errors
    /// If shapes differ or are empty, no token counts, or the batch lacks what the objective needs.
    pub fn loss(
        &self,
        objective: &Objective,
        hidden: Tensor<3>,
        output: Tensor<2>,
        tokens: Tensor<2, Int>,
        batch: &TokenBatch,
        advantages: &Advantages,
    ) -> Result<(Tensor<1>, Metrics)> {
        let [rows, length] = batch.dims();
        check_shape("tokens", tokens.dims(), [rows, length])?;
        let [.., width] = hidden.dims();
        check_shape("hidden", hidden.dims(), [rows, length, width])?;
        let padding = batch
            .mask()
            .bool_not()
            .reshape([rows, length, 1])
            .expand([rows, length, width]);
        let hidden = hidden.mask_fill(padding, 0.0);
        let factors = self.factors(&hidden, &output, tokens)?;
        let totals = match (objective.denominator, batch.totals) {
            (Denominator::Step, Some(totals)) => totals,
            _ => batch.count()?,
        };
        let batch = batch.clone().with_totals(totals);
        let objective = objective.with_denominator(Denominator::Step);
        let tracked = hidden.is_tracked() || output.is_tracked();
        let at_once = (factors.most / length).clamp(1, rows);
        let mut seen: Option<(Tensor<1>, Metrics)> = None;
        let (mut of_hidden, mut of_output) = (Vec::new(), None);
        for from in (0..rows).step_by(at_once) {
            let part = from..(from + at_once).min(rows);
            let step = Step {
                objective,
                batch: batch.rows(part.clone())?,
                advantages: advantages.rows(part.clone())?,
                tracked,
            };
            let (loss, metrics) =
                step.run(&factors, part, length, &mut of_hidden, &mut of_output)?;
            seen = Some(match seen {
                Some((sum, all)) => (sum + loss, all.merge(metrics)),
                None => (loss, metrics),
            });
        }
        let (loss, metrics) = seen.ok_or_else(empty)?;
        let Some(of_output) = of_output else {
            return Ok((loss, metrics));
        };
        let of_hidden =
            Tensor::cat(of_hidden, 0).reshape([rows, length, width]) * (1.0 / self.temperature);
        // The value of the loss, and the gradients of a sum that is taken off again.
        let sum = (wide(hidden) * of_hidden).sum() + (wide(output) * of_output).sum();
        Ok((sum.clone() - sum.detach() + loss, metrics))
    }

    fn factors(
        &self,
        hidden: &Tensor<3>,
        output: &Tensor<2>,
        tokens: Tensor<2, Int>,
    ) -> Result<Factors> {
        let [rows, length, width] = hidden.dims();
        let [rows_of_output, words] = output.dims();
        check_shape("tokens", tokens.dims(), [rows, length])?;
        check_shape("output", [rows_of_output, words], [width, words])?;
        if rows * length * width * words == 0 {
            return Err(empty());
        }
        let count = rows * length;
        let hidden = wide(hidden.clone().inner()).reshape([count, width]);
        Ok(Factors {
            output: output.clone().inner().cast(hidden.dtype()),
            hidden: hidden * (1.0 / self.temperature),
            words: tokens.inner().reshape([count, 1]),
            most: (self.logits / words).max(1),
        })
    }
}

impl Factors {
    fn softmax(&self, at: Range<usize>, entropy: bool) -> Softmax {
        let (hidden, words) = self.cut(at);
        Softmax::of(&hidden, &self.output, &words, entropy)
    }

    fn cut(&self, at: Range<usize>) -> (Tensor<2>, Tensor<2, Int>) {
        let [_, width] = self.hidden.dims();
        let hidden = self.hidden.clone().slice([at.clone(), 0..width]);
        (hidden, self.words.clone().slice([at, 0..1]))
    }

    /// A range of tokens in pieces of no more than are taken at a time.
    fn pieces(&self, of: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let (most, end) = (self.most, of.end);
        of.step_by(most)
            .map(move |from| from..(from + most).min(end))
    }
}

/// Some rows of a step.
struct Step {
    objective: Objective,
    batch: TokenBatch,
    advantages: Advantages,
    tracked: bool,
}

impl Step {
    fn run(
        self,
        factors: &Factors,
        rows: Range<usize>,
        length: usize,
        of_hidden: &mut Vec<Tensor<2>>,
        of_output: &mut Option<Tensor<2>>,
    ) -> Result<(Tensor<1>, Metrics)> {
        let entropy = self.objective.entropy > 0.0;
        let shape = [rows.len(), length];
        let pieces: Vec<_> = factors
            .pieces(rows.start * length..rows.end * length)
            .collect();
        let (mut log_probs, mut entropies, mut kept) = (Vec::new(), Vec::new(), None);
        for piece in &pieces {
            let softmax = factors.softmax(piece.clone(), entropy);
            log_probs.push(softmax.log_probs.clone());
            entropies.extend(softmax.entropy.clone());
            kept = (pieces.len() == 1).then_some(softmax);
        }
        let leaf = |values: Vec<Tensor<2>>| {
            let values = Tensor::cat(values, 0).reshape(shape);
            if self.tracked {
                Tensor::from_inner(values).require_grad()
            } else {
                values
            }
        };
        let log_probs = leaf(log_probs);
        let mut batch = self.batch;
        let entropies = if entropy { Some(leaf(entropies)) } else { None };
        if let Some(entropies) = &entropies {
            batch = batch.with_entropy(entropies.clone())?;
        }
        let (loss, metrics) = self
            .objective
            .loss(log_probs.clone(), &batch, &self.advantages)?;
        if !self.tracked {
            return Ok((loss, metrics));
        }
        let gradients = loss.backward();
        let column = |of: &Tensor<2>| {
            let gradient = of
                .grad(&gradients)
                .unwrap_or_else(|| of.clone().inner().zeros_like());
            gradient.reshape([shape[0] * shape[1], 1])
        };
        let of_log_probs = column(&log_probs);
        let of_entropy = entropies.as_ref().map(column);
        let first = rows.start * length;
        for piece in pieces {
            let softmax = match kept.take() {
                Some(softmax) => softmax,
                None => factors.softmax(piece.clone(), entropy),
            };
            let (hidden, words) = factors.cut(piece.clone());
            let within = |all: &Tensor<2>| {
                all.clone()
                    .slice([piece.start - first..piece.end - first, 0..1])
            };
            let of = (within(&of_log_probs), of_entropy.as_ref().map(within));
            let [hidden, output] = softmax.backward(&hidden, &factors.output, &words, of.0, of.1);
            of_hidden.push(hidden);
            *of_output = Some(match of_output.take() {
                Some(sum) => sum + output,
                None => output,
            });
        }
        Ok((loss.inner(), metrics))
    }
}

fn empty() -> RlRewardsError {
    RlRewardsError::OutOfRange {
        field: "hidden",
        value: "empty".into(),
        allowed: "one token of one number or more, and one word or more",
    }
}

impl Checked for Chunked {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("logits", self.logits as f64, self.logits > 0, "1 or more")?;
        let temperature = self.temperature;
        let good = (1e-6..=1e6).contains(&temperature);
        check("temperature", temperature, good, "1e-6 to 1e6")
    }
}
