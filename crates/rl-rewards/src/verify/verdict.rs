//! What a verifier is, and what it answers.

use std::fmt;

use serde::Serialize;

/// The longest text that is read as a mathematical answer, in bytes. What is longer is compared letter by letter.
pub const LONGEST_ANSWER: usize = 4096;

/// A program that checks a response against a reference.
///
/// The response is text that a model wrote: a verifier answers for any text, in time linear in its length (where its own
/// documentation does not give another bound) and with a bounded stack, and does not panic.
pub trait Verifier {
    /// The verdict on `response`. What the reference is depends on the verifier; some need none.
    fn verify(&self, response: &str, reference: &str) -> Verdict;
}

impl<V: Verifier + ?Sized> Verifier for &V {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        (**self).verify(response, reference)
    }
}

impl<V: Verifier + ?Sized> Verifier for Box<V> {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        (**self).verify(response, reference)
    }
}

/// A score and why it was given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// From 0 (wrong) to 1 (right). A penalty of a reward may lie outside.
    pub score: f64,
    /// Why.
    pub reason: Reason,
}

impl Verdict {
    /// Score 1.
    #[must_use]
    pub fn right() -> Self {
        Self::graded(1.0, Reason::Right)
    }

    /// Score 0 for a reason.
    #[must_use]
    pub fn wrong(reason: Reason) -> Self {
        Self::graded(0.0, reason)
    }

    /// A score between.
    #[must_use]
    pub fn graded(score: f64, reason: Reason) -> Self {
        Self { score, reason }
    }

    /// Score 1 if `right`, else 0 for a reason.
    #[must_use]
    pub fn of(right: bool, reason: Reason) -> Self {
        if right {
            Self::right()
        } else {
            Self::wrong(reason)
        }
    }

    /// `met` of `of` demands: their share. No demand at all is met.
    #[must_use]
    pub fn share(met: usize, of: usize) -> Self {
        if met >= of {
            return Self::right();
        }
        Self::graded(met as f64 / of as f64, Reason::Partly { met, of })
    }

    /// Whether the score is 1.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.score >= 1.0
    }
}

/// Why a score was given. It holds no text, so that millions of them cost little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// All that is asked for is there.
    Right,
    /// An answer was found, and it is another one.
    Different,
    /// No answer was found where one is looked for.
    NoAnswer,
    /// What was found can't be read as what it should be.
    Unreadable,
    /// The reference can't be read as what it should be.
    Reference,
    /// A number or a text beyond the bounds of what is computed.
    TooLarge,
    /// More than one answer where one is allowed.
    Ambiguous,
    /// A rule is broken, named in words.
    Broken(&'static str),
    /// Some of the demands are met.
    Partly {
        /// How many are met.
        met: usize,
        /// How many there are.
        of: usize,
    },
    /// Likeness or overlap below 1.
    Alike,
    /// Longer than what is free of a penalty.
    Long,
    /// Cut off before its end.
    Unfinished,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right => f.write_str("right"),
            Self::Different => f.write_str("another answer than the reference"),
            Self::NoAnswer => f.write_str("no answer was found in the response"),
            Self::Unreadable => f.write_str("the answer can't be read"),
            Self::Reference => f.write_str("the reference can't be read"),
            Self::TooLarge => f.write_str("beyond the bounds of what is computed"),
            Self::Ambiguous => f.write_str("more than one answer"),
            Self::Broken(rule) => write!(f, "broken: {rule}"),
            Self::Partly { met, of } => write!(f, "{met} of {of} demands are met"),
            Self::Alike => f.write_str("alike, but not the same"),
            Self::Long => f.write_str("longer than what is free"),
            Self::Unfinished => f.write_str("the response was cut off"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.score, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        assert_eq!(Verdict::share(0, 0), Verdict::right());
        let half = Verdict::share(1, 2);
        assert_eq!((half.score, half.is_right()), (0.5, false));
        assert_eq!(half.to_string(), "0.5 (1 of 2 demands are met)");
    }
}
