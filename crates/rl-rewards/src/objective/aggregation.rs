//! How losses of tokens become one number: sums, and what they are divided by.

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check};

/// A sum over tokens and sequences, `N` tokens and `B` sequences in the [`Denominator`], `T_i` tokens in sequence `i`.
///
/// | aggregation | formula | elsewhere |
/// |---|---|---|
/// | `TokenMean` | `sum_i sum_t l_it / N` | DAPO, BNPO, CISPO; verl `token-mean` |
/// | `SequenceMeanTokenMean` | `sum_i (sum_t l_it / T_i) / B` | GRPO, GSPO, SAPO; verl `seq-mean-token-mean` |
/// | `SequenceMeanTokenSum` | `sum_i sum_t l_it / B` | REINFORCE; verl `seq-mean-token-sum` |
/// | `MaxLength(L)` | `sum_i sum_t l_it / (B L)` | Dr. GRPO; verl `seq-mean-token-sum-norm` with `L` as scale |
/// | `Sum(s)` | `sum_i sum_t l_it / s` | verl `token-sum` with 1 |
///
/// Only tokens that the mask lets through count, and only sequences that have one. TRL divides by all sequences of the batch, those
/// that are masked throughout too: pass their number in [`Totals`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Aggregation {
    /// The mean over tokens: long responses weigh more.
    TokenMean,
    /// The mean over sequences of the mean over their tokens: a token of a long response, also of a long wrong one, weighs less.
    SequenceMeanTokenMean,
    /// The mean over sequences of the sum over their tokens.
    SequenceMeanTokenSum,
    /// The sum over tokens, for each sequence divided by one length for all: no bias by length.
    MaxLength(usize),
    /// The sum over tokens divided by a number.
    Sum(f64),
}
checked_serde!(Aggregation);

impl Checked for Aggregation {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        match *self {
            Self::MaxLength(length) => check("max_length", length as f64, length > 0, "1 or more"),
            Self::Sum(scale) => check("scale", scale, scale > 0.0, "above 0"),
            _ => Ok(()),
        }
    }
}

/// Whose tokens and sequences are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denominator {
    /// Those of the whole optimiser step: the [`Totals`] of the batch, or its own where it is the whole step.
    ///
    /// Losses of micro-batches and devices then sum to the loss of the step, which is how Burn's accumulator sums their gradients.
    Step,
    /// Those of the micro-batch, whatever the totals say: BNPO, and TRL's GRPO. The number of micro-batches changes the loss: divide it
    /// by that number, as Burn sums gradients.
    MicroBatch,
}

/// The tokens and sequences of a whole optimiser step, over all micro-batches and devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Totals {
    tokens: usize,
    sequences: usize,
}
checked_serde!(Totals);

impl Totals {
    /// So many tokens that count, in so many sequences; both 1 or more.
    ///
    /// # Errors
    /// If one is 0.
    pub fn new(tokens: usize, sequences: usize) -> Result<Self> {
        Self { tokens, sequences }.checked()
    }

    /// Of responses of these lengths; those of length 0 are no sequence.
    ///
    /// # Errors
    /// If there is no token, or more than can be counted.
    pub fn of_lengths(lengths: &[usize]) -> Result<Self> {
        let tokens = lengths
            .iter()
            .fold(0_usize, |sum, n| sum.saturating_add(*n));
        let sequences = lengths.iter().filter(|n| **n > 0).count();
        Self::new(tokens, sequences)
    }

    /// Tokens that count.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Sequences with a token that counts.
    #[must_use]
    pub fn sequences(&self) -> usize {
        self.sequences
    }
}

impl Checked for Totals {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("tokens", self.tokens as f64, self.tokens > 0, "1 or more")?;
        check(
            "sequences",
            self.sequences as f64,
            self.sequences > 0,
            "1 or more",
        )
    }
}

impl Aggregation {
    /// Losses `[rows, tokens]` (finite where the mask is 0) to one number `[1]`; mask of 0 and 1.
    pub(crate) fn of(
        self,
        losses: Tensor<2>,
        mask: &Tensor<2>,
        totals: Option<Totals>,
    ) -> Tensor<1> {
        let masked = losses * mask.clone();
        let lengths = || mask.clone().sum_dim(1);
        let sum = match self {
            Self::SequenceMeanTokenMean => (masked.sum_dim(1) / lengths().clamp_min(1.0)).sum(),
            _ => masked.sum(),
        };
        let tokens = |sum: Tensor<1>| match totals {
            Some(totals) => sum * (1.0 / totals.tokens as f64),
            None => sum / mask.clone().sum().clamp_min(1.0),
        };
        let sequences = |sum: Tensor<1>| match totals {
            Some(totals) => sum * (1.0 / totals.sequences as f64),
            None => sum / lengths().clamp_max(1.0).sum().clamp_min(1.0),
        };
        match self {
            Self::TokenMean => tokens(sum),
            Self::SequenceMeanTokenMean | Self::SequenceMeanTokenSum => sequences(sum),
            Self::MaxLength(length) => sequences(sum * (1.0 / length as f64)),
            Self::Sum(scale) => sum * (1.0 / scale),
        }
    }
}
