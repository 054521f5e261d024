//! # exact_match, bleu4, rouge_n, rouge_l, BinaryCounts
//!
//! How near an answer is to its reference: scores that are usual for tasks of code and summaries.
//!
//! Source: smoothed sentence BLEU-4 of the common evaluators of code summaries (Papineni et al. 2002 with the smoothing of Lin and Och
//! 2004); ROUGE (Lin 2004)

use serde::{Deserialize, Serialize};

use super::ngrams::{common, counts};
use super::tokens::TextTokens;

/// Whether two texts are the same but for their white space.
///
/// ```
/// use regimen_curriculum::text::exact_match;
///
/// assert!(exact_match("return  a;\n", "return a;"));
/// assert!(!exact_match("return a ;", "return a;"));
/// ```
#[must_use]
pub fn exact_match(answer: &str, reference: &str) -> bool {
    answer.split_whitespace().eq(reference.split_whitespace())
}

/// Words and signs in lower case: the tokens of [`bleu4`], [`rouge_n`] and [`rouge_l`].
#[must_use]
pub fn code_tokens(text: &str) -> Vec<String> {
    TextTokens::WordsAndSigns.split(text)
}

/// Smoothed BLEU-4 of an answer's [`code_tokens`] against those of one reference, 0 to 1.
///
/// With `c_n` of the answer's `g_n` n-grams in the reference: the geometric mean of `c_1 / g_1` and of `(c_n + 1) / (g_n + 1)` for 2, 3 and 4, times
/// `exp(min(0, 1 - (r + 1) / (a + 1)))` of the lengths of reference and answer. Where no word is in common it is 0 but for the least float, as
/// in the evaluators; an empty answer has 0, or 1 where the reference is empty too.
///
/// Other forms of BLEU differ by many points. The score of a set is the mean over its sentences.
///
/// ```
/// use regimen_curriculum::text::bleu4;
///
/// let score = bleu4("return the sum of a list", "returns the sum of the list");
/// assert!((score - 0.427287).abs() < 1e-6);
/// ```
#[must_use]
pub fn bleu4(answer: &str, reference: &str) -> f64 {
    let (answer, reference) = (code_tokens(answer), code_tokens(reference));
    if answer.is_empty() {
        return f64::from(u8::from(reference.is_empty()));
    }
    let logs = (1..=4).map(|n| {
        let (own, theirs) = (counts(&answer, n), counts(&reference, n));
        let found = common(&own, &theirs) as f64;
        let all = (answer.len() + 1).saturating_sub(n) as f64;
        if n == 1 {
            (found + f64::MIN_POSITIVE).ln() - all.ln()
        } else {
            (found + 1.0).ln() - (all + 1.0).ln()
        }
    });
    let mean = logs.sum::<f64>() / 4.0;
    let length = |tokens: &[String]| (tokens.len() + 1) as f64;
    let brevity = (1.0 - length(&reference) / length(&answer)).min(0.0);
    (mean + brevity).exp()
}

/// Precision, recall and their harmonic mean, each 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rouge {
    /// Of what the answer says, the share that the reference says.
    pub precision: f64,
    /// Of what the reference says, the share that the answer says.
    pub recall: f64,
    /// `2 P R / (P + R)`; 0 where both are 0.
    pub f1: f64,
}

impl Rouge {
    fn of(found: usize, answer: usize, reference: usize) -> Self {
        let share = |all: usize| found as f64 / all.max(1) as f64;
        let (precision, recall) = (share(answer), share(reference));
        Self {
            precision,
            recall,
            f1: harmonic(precision, recall),
        }
    }
}

fn harmonic(precision: f64, recall: f64) -> f64 {
    if precision + recall > 0.0 {
        2.0 * precision * recall / (precision + recall)
    } else {
        0.0
    }
}

/// ROUGE-n: the n-grams of [`code_tokens`] that answer and reference have in common, each as often as both have it. With `n` 0, or texts shorter
/// than `n`, all is 0.
#[must_use]
pub fn rouge_n(answer: &str, reference: &str, n: usize) -> Rouge {
    let (answer, reference) = (code_tokens(answer), code_tokens(reference));
    let grams = |tokens: &[String]| {
        if n == 0 {
            0
        } else {
            (tokens.len() + 1).saturating_sub(n)
        }
    };
    let found = common(&counts(&answer, n), &counts(&reference, n));
    Rouge::of(found, grams(&answer), grams(&reference))
}

/// ROUGE-L: the longest common subsequence of [`code_tokens`]. Takes time in proportion to the product of both lengths.
#[must_use]
pub fn rouge_l(answer: &str, reference: &str) -> Rouge {
    let (answer, reference) = (code_tokens(answer), code_tokens(reference));
    let mut best = vec![0; reference.len() + 1];
    for token in &answer {
        let mut diagonal = 0;
        for (place, other) in reference.iter().enumerate() {
            let above = best[place + 1];
            best[place + 1] = if token == other {
                diagonal + 1
            } else {
                above.max(best[place])
            };
            diagonal = above;
        }
    }
    let found = best.last().copied().unwrap_or(0);
    Rouge::of(found, answer.len(), reference.len())
}

/// Right and wrong answers of a task with two classes.
///
/// ```
/// use regimen_curriculum::text::BinaryCounts;
///
/// let mut counts = BinaryCounts::default();
/// counts.add(Some(true), true);
/// counts.add(None, false); // could not be read: wrong
/// assert_eq!((counts.accuracy(), counts.unread_share()), (0.5, 0.5));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryCounts {
    /// Said yes, rightly.
    pub true_positive: u64,
    /// Said yes, wrongly.
    pub false_positive: u64,
    /// Did not say yes, wrongly.
    pub false_negative: u64,
    /// Said no, rightly.
    pub true_negative: u64,
    /// Answers that could not be read, for which the truth was no. They count as wrong.
    pub unread_negative: u64,
    /// All answers that could not be read.
    pub unread: u64,
}

impl BinaryCounts {
    /// Counts an answer, none where it could not be read, against the truth.
    pub fn add(&mut self, answer: Option<bool>, truth: bool) {
        self.unread += u64::from(answer.is_none());
        let count = match (answer, truth) {
            (Some(true), true) => &mut self.true_positive,
            (Some(true), false) => &mut self.false_positive,
            (Some(false) | None, true) => &mut self.false_negative,
            (Some(false), false) => &mut self.true_negative,
            (None, false) => &mut self.unread_negative,
        };
        *count += 1;
    }

    fn share(of: u64, all: &[u64]) -> f64 {
        let all: f64 = all.iter().map(|count| *count as f64).sum();
        if all > 0.0 { of as f64 / all } else { 0.0 }
    }

    /// Of those called yes, the share that is; 0 where none was.
    #[must_use]
    pub fn precision(&self) -> f64 {
        Self::share(
            self.true_positive,
            &[self.true_positive, self.false_positive],
        )
    }

    /// Of those that are yes, the share that was called so; 0 where none is.
    #[must_use]
    pub fn recall(&self) -> f64 {
        Self::share(
            self.true_positive,
            &[self.true_positive, self.false_negative],
        )
    }

    /// `2 P R / (P + R)`; 0 where both are 0.
    #[must_use]
    pub fn f1(&self) -> f64 {
        harmonic(self.precision(), self.recall())
    }

    fn all(&self) -> [u64; 5] {
        [
            self.true_positive,
            self.false_positive,
            self.false_negative,
            self.true_negative,
            self.unread_negative,
        ]
    }

    /// The share of right answers; 0 where there is none at all.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        let right = Self::share(self.true_positive, &self.all());
        right + Self::share(self.true_negative, &self.all())
    }

    /// The share of answers that could not be read.
    #[must_use]
    pub fn unread_share(&self) -> f64 {
        Self::share(self.unread, &self.all())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bleu_of_sentences() {
        let same = "returns the sum of the list";
        assert!((bleu4(same, same) - 1.0).abs() < 1e-12);
        assert!((bleu4("return the sum of a list", same) - 0.427_287_0).abs() < 1e-7);
        assert!((bleu4("the sum", same) - 0.263_597_1).abs() < 1e-7);
        let none = bleu4("a b c d", "e f g h");
        assert!((3e-78..5e-78).contains(&none), "{none}");
        assert_eq!((bleu4("", "a"), bleu4("", "")), (0.0, 1.0));
        assert!(bleu4("a", "").is_finite());
    }

    #[test]
    fn rouge_by_hand() {
        let one = rouge_n("the cat sat", "the cat is on the mat", 1);
        assert_eq!((one.precision, one.recall), (2.0 / 3.0, 2.0 / 6.0));
        let two = rouge_n("the cat sat", "the cat is on the mat", 2);
        assert_eq!((two.precision, two.recall), (0.5, 0.2));
        let long = rouge_l("the mat sat cat", "the cat sat on the mat");
        assert_eq!((long.precision, long.recall), (0.5, 2.0 / 6.0));
        for n in [0, 1, 5, usize::MAX] {
            assert_eq!(rouge_n("", "a b", n), Rouge::default());
        }
        assert_eq!(rouge_l("", ""), Rouge::default());
    }

    #[test]
    fn two_classes() {
        let counts = BinaryCounts {
            true_positive: 8,
            false_positive: 2,
            false_negative: 4,
            ..BinaryCounts::default()
        };
        assert!((counts.precision() - 0.8).abs() < 1e-12);
        assert!((counts.recall() - 2.0 / 3.0).abs() < 1e-12);
        assert!((counts.f1() - 0.727_272_7).abs() < 1e-7);
        let none = BinaryCounts::default();
        assert_eq!(
            (none.f1(), none.accuracy(), none.unread_share()),
            (0.0, 0.0, 0.0)
        );
    }
}
