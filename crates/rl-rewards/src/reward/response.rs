//! What is scored, and what scores it.

use crate::verify::{Reason, Verdict};

/// A response: its text, how many tokens it has, and whether it came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'t> {
    /// The text.
    pub text: &'t str,
    /// Its tokens, the end token among them: what length penalties count.
    pub tokens: usize,
    /// Whether the end token was sampled, or a stop text: not cut off by the limit of tokens.
    pub finished: bool,
}

impl<'t> Response<'t> {
    /// One that came to its end.
    #[must_use]
    pub fn new(text: &'t str, tokens: usize) -> Self {
        Self {
            text,
            tokens,
            finished: true,
        }
    }

    /// One that was cut off.
    #[must_use]
    pub fn cut_off(text: &'t str, tokens: usize) -> Self {
        Self {
            finished: false,
            ..Self::new(text, tokens)
        }
    }
}

/// A part of a reward: a [`Verifier`](crate::verify::Verifier), or what looks at the length of a response.
///
/// A program's own verifiers become parts by an implementation of this trait, alone or as variants of an enum.
pub trait Scorer {
    /// The score of a response and why it was given. It should be finite.
    fn score(&self, response: &Response<'_>, reference: &str) -> Verdict;
}

impl<S: Scorer + ?Sized> Scorer for Box<S> {
    fn score(&self, response: &Response<'_>, reference: &str) -> Verdict {
        (**self).score(response, reference)
    }
}

/// The verdict of a length, by its penalty of 0 or less.
pub(super) fn of_length(penalty: f64) -> Verdict {
    let reason = if penalty < 0.0 {
        Reason::Long
    } else {
        Reason::Right
    };
    Verdict::graded(penalty, reason)
}
