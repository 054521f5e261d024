//! # AnyScorer
//!
//! Every part of a reward as one type, to keep in a file.
//!
//! Source: Regimen's own, as [`AnyVerifier`]

use serde::{Deserialize, Serialize};

use super::length::PerToken;
use super::overlong::Overlong;
use super::response::{Response, Scorer};
use crate::verify::{AnyVerifier, Verdict, Verifier};

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

/// A verifier of the crate.
impl<V> From<V> for AnyScorer
where
    AnyVerifier: From<V>,
{
    fn from(verifier: V) -> Self {
        Self::Verifier(verifier.into())
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
