//! # AnyScorer
//!
//! Every part of a reward as one type, to keep in a file.
//!
//! Source: Regimen's own, as [`AnyVerifier`]

use serde::{Deserialize, Serialize};

use super::length::PerToken;
use super::overlong::Overlong;
use super::response::{Response, Scorer};
use crate::verify::{
    AnyVerifier, Choice, Countdown, Gsm8k, Instructions, Json, MathAnswer, MathFlex, Sudoku, Tags,
    TextMatch, TokenF1, Verdict, Verifier,
};

/// Any part of a reward that the crate has. In a file it is `{"verifier": ..}` or `{"length": ..}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum AnyScorer {
    /// A verifier.
    Verifier(AnyVerifier),
    /// A penalty of length.
    Length(AnyLength),
}

/// Any penalty of length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "length", rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is the type of its name")]
pub enum AnyLength {
    Overlong(Overlong),
    PerToken(PerToken),
}

impl Scorer for AnyScorer {
    fn score(&self, response: &Response<'_>, reference: &str) -> Verdict {
        match self {
            Self::Verifier(verifier) => verifier.verify(response.text, reference),
            Self::Length(length) => length.score(response, reference),
        }
    }
}

impl Scorer for AnyLength {
    fn score(&self, response: &Response<'_>, reference: &str) -> Verdict {
        match self {
            Self::Overlong(length) => length.score(response, reference),
            Self::PerToken(length) => length.score(response, reference),
        }
    }
}

impl From<AnyVerifier> for AnyScorer {
    fn from(verifier: AnyVerifier) -> Self {
        Self::Verifier(verifier)
    }
}

impl From<Overlong> for AnyScorer {
    fn from(length: Overlong) -> Self {
        Self::Length(AnyLength::Overlong(length))
    }
}

impl From<PerToken> for AnyScorer {
    fn from(length: PerToken) -> Self {
        Self::Length(AnyLength::PerToken(length))
    }
}

macro_rules! verifiers {
    ($($name:ident),* $(,)?) => {$(
        impl From<$name> for AnyScorer {
            fn from(verifier: $name) -> Self {
                Self::Verifier(verifier.into())
            }
        }
    )*};
}

verifiers!(
    MathAnswer,
    MathFlex,
    Gsm8k,
    Choice,
    TextMatch,
    TokenF1,
    Tags,
    Json,
    Instructions,
    Countdown,
    Sudoku,
);
