//! # Compute
//!
//! What it costs a decoder to write tokens one after another, in FLOPs with the attention term.
//!
//! Source: "To Backtrack or Not to Backtrack: When Sequential Search Limits Model Reasoning", arXiv 2504.07052 (FLOPs of inference).

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check};

/// The largest size.
const MOST: u64 = 1 << 24;

/// The sizes of a decoder, by which writing `L` tokens with a cache costs
///
/// ```text
/// layers * ((2 width^2 + 2 width key_values + m width hidden) L + width L (L + 1) / 2)
/// ```
///
/// multiplications, `m = 3` matrices of a gated perceptron. As in the paper, embeddings, the output and the prompt are left out, and a multiplication with
/// its addition is one FLOP.
///
/// | parameter | meaning |
/// |---|---|
/// | `layers` | blocks of attention and perceptron |
/// | `width` | features of a token |
/// | `key_values` | features of keys, all their heads together: `width` without grouped queries |
/// | `hidden` | hidden units of a perceptron |
///
/// ```
/// use regimen_rl_rewards::search::Compute;
///
/// // The 17M model of the paper: one trace of 2,048 tokens costs as much as 11.65 answers of 212.
/// let compute = Compute::new(8, 512, 128, 1024)?;
/// assert_eq!(compute.flops(212), 3_871_547_392.0);
/// assert_eq!((100.0 * compute.flops(2048) / compute.flops(212)).round(), 1165.0);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Compute {
    layers: u64,
    width: u64,
    key_values: u64,
    hidden: u64,
    #[serde(default)]
    plain: bool,
}
checked_serde!(Compute);

impl Compute {
    /// Of a decoder with gated perceptrons.
    ///
    /// # Errors
    /// If a size is not 1 to 2^24.
    pub fn new(layers: u64, width: u64, key_values: u64, hidden: u64) -> Result<Self> {
        Self {
            layers,
            width,
            key_values,
            hidden,
            plain: false,
        }
        .checked()
    }

    /// With perceptrons of two matrices instead of three.
    #[must_use]
    pub fn without_gates(self) -> Self {
        Self {
            plain: true,
            ..self
        }
    }

    /// Of writing so many tokens.
    #[must_use]
    pub fn flops(&self, tokens: u64) -> f64 {
        let [layers, width, key_values, hidden, tokens] = [
            self.layers,
            self.width,
            self.key_values,
            self.hidden,
            tokens,
        ]
        .map(|size| size as f64);
        let matrices = if self.plain { 2.0 } else { 3.0 };
        let each = 2.0 * width * width + 2.0 * width * key_values + matrices * width * hidden;
        layers * (each * tokens + width * tokens * (tokens + 1.0) / 2.0)
    }
}

impl Checked for Compute {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        for (field, size) in [
            ("layers", self.layers),
            ("width", self.width),
            ("key_values", self.key_values),
            ("hidden", self.hidden),
        ] {
            check(field, size as f64, (1..=MOST).contains(&size), "1 to 2^24")?;
        }
        Ok(())
    }
}

/// What a budget is counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Tokens that were sampled.
    #[default]
    Tokens,
    /// FLOPs of writing them, in which the last tokens of a long trace cost more than the first.
    Flops(Compute),
}

impl Cost {
    /// The cost of an answer of so many tokens.
    #[must_use]
    pub fn of(&self, tokens: u64) -> f64 {
        match self {
            Self::Tokens => tokens as f64,
            Self::Flops(compute) => compute.flops(tokens),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Tokens => Ok(()),
            Self::Flops(compute) => compute.check(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// FLOPs of 212, 2,048 and 4,096 tokens by the released code, and how many answers of 212 the longer ones are.
    #[test]
    fn the_models_of_the_paper_cost_as_computed() {
        for (sizes, flops, answers) in [
            (
                [6, 256, 64, 512],
                [743_255_040.0, 10_067_902_464.0, 26_578_255_872.0],
                [13.55, 35.76],
            ),
            (
                [8, 512, 128, 1024],
                [3_871_547_392.0, 45_101_350_912.0, 107_382_571_008.0],
                [11.65, 27.74],
            ),
            (
                [10, 512, 128, 2048],
                [8_173_905_920.0, 88_588_943_360.0, 198_652_723_200.0],
                [10.84, 24.30],
            ),
            (
                [12, 1024, 256, 3072],
                [30_954_577_920.0, 322_135_130_112.0, 695_809_867_776.0],
                [10.41, 22.48],
            ),
        ] {
            let [layers, width, key_values, hidden] = sizes;
            let compute = Compute::new(layers, width, key_values, hidden).unwrap();
            let found = [212, 2048, 4096].map(|tokens| compute.flops(tokens));
            assert_eq!(found, flops);
            for (found, expected) in found[1..].iter().zip(answers) {
                assert!((found / flops[0] - expected).abs() < 0.005);
            }
        }
    }

    #[test]
    fn a_plain_perceptron_has_two_matrices() {
        let compute = Compute::new(1, 4, 4, 8).unwrap();
        assert_eq!(compute.flops(1), 32.0 + 32.0 + 96.0 + 4.0);
        assert_eq!(compute.without_gates().flops(2), 2.0 * 128.0 + 12.0);
        assert_eq!(Cost::Flops(compute).of(1), 164.0);
        assert_eq!(Cost::Tokens.of(3), 3.0);
    }
}
