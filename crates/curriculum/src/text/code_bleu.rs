//! # CodeBleu
//!
//! How near a program is to its reference: BLEU, BLEU in which keywords weigh more, and what a parser found
//!
//! Source: Ren et al. 2020, "CodeBLEU: a Method for Automatic Evaluation of Code Synthesis", arXiv 2009.10297; weights and smoothing of its
//! evaluator in CodeXGLUE

use std::collections::HashSet;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::ngrams::{common, counts};
use crate::error::{CurriculumError, Result, check};

/// Keywords of Python.
pub const PYTHON_KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// Keywords of Rust that are in use, of edition 2024.
pub const RUST_KEYWORDS: [&str; 39] = [
    "Self", "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum",
    "extern", "false", "fn", "for", "if", "impl", "in", "let", "loop", "match", "mod", "move",
    "mut", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true", "type",
    "union", "unsafe", "use", "where", "while",
];

/// A word that is no keyword, against 1 for a keyword.
const PLAIN: f64 = 0.2;

/// What stands for no match at all of one length, as a part of all n-grams.
const NONE: f64 = 0.1;

/// Settings of CodeBLEU: the keywords of the language, and the weights of its four parts, a quarter each by default.
///
/// Programs are cut at white space, as in the released evaluator: cut them into tokens with spaces between first. The parts that need a parser
/// come from the caller or are left out; what is left out gives its weight to the others in proportion to theirs.
///
/// ```
/// use regimen_curriculum::text::{CodeBleu, PYTHON_KEYWORDS};
///
/// let bleu = CodeBleu::new(PYTHON_KEYWORDS);
/// let reference = "def f ( a ) : return a + 1";
/// let score = bleu.score("def f ( b ) : return b + 1", reference, None, None)?;
/// assert!(score.weighted > score.bleu); // what is wrong is no keyword
/// assert_eq!(bleu.score(reference, reference, Some(1.0), None)?.combined, 1.0);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct CodeBleu {
    keywords: HashSet<String>,
    weights: [f64; 4],
}

checked_serde!(CodeBleu);

impl Checked for CodeBleu {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        for weight in self.weights {
            let good = (0.0..=1e6).contains(&weight);
            check("weights", weight, good, "0 to 1000000")?;
        }
        let sum = self.weights[0] + self.weights[1];
        check(
            "weights",
            sum,
            sum > 0.0,
            "above 0 for one of the first two",
        )
    }
}

/// The parts of CodeBLEU and their sum, each 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodeBleuScore {
    /// BLEU-4 of the tokens.
    pub bleu: f64,
    /// As the recall of n-grams, with keywords of weight 1 and other words of .2. As in the evaluator, a reference whose words weigh less than 1
    /// together cannot reach 1.
    pub weighted: f64,
    /// The weighted mean of the parts that there are.
    pub combined: f64,
}

impl CodeBleu {
    /// With the keywords of a language.
    #[must_use]
    pub fn new<K: Into<String>>(keywords: impl IntoIterator<Item = K>) -> Self {
        Self {
            keywords: keywords.into_iter().map(Into::into).collect(),
            weights: [0.25; 4],
        }
    }

    /// The weights of BLEU, weighted BLEU, syntax and data flow, each 0 or more, one of the first two above 0.
    ///
    /// # Errors
    /// If one lies outside its range.
    pub fn with_weights(mut self, weights: [f64; 4]) -> Result<Self> {
        self.weights = weights;
        self.checked()
    }

    /// The score of a program against one reference, with the shares of the reference's subtrees and data flows that a parser found in it.
    ///
    /// # Errors
    /// If a share is not in 0 to 1.
    pub fn score(
        &self,
        answer: &str,
        reference: &str,
        syntax: Option<f64>,
        data_flow: Option<f64>,
    ) -> Result<CodeBleuScore> {
        for (field, share) in [("syntax", syntax), ("data_flow", data_flow)] {
            let share = share.unwrap_or(0.0);
            check(field, share, (0.0..=1.0).contains(&share), "0 to 1")?;
        }
        let tokens = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let (answer, reference): (Vec<String>, Vec<String>) = (tokens(answer), tokens(reference));
        let bleu = geometric(&answer, &reference, |n| {
            let (own, theirs) = (counts(&answer, n), counts(&reference, n));
            let all = own.values().sum::<usize>();
            [common(&own, &theirs) as f64, all as f64]
        });
        let weighted = geometric(&answer, &reference, |n| {
            let (own, theirs) = (counts(&answer, n), counts(&reference, n));
            let mut sums = [0.0; 2];
            for (gram, count) in &theirs {
                let weight = match gram {
                    [word] if !self.keywords.contains(word) => PLAIN,
                    _ => 1.0,
                };
                let found = own.get(gram).copied().unwrap_or(0).min(*count);
                sums[0] += weight * found as f64;
                sums[1] += weight * *count as f64;
            }
            sums
        });
        let parts = [Some(bleu), Some(weighted), syntax, data_flow];
        let known = parts.into_iter().zip(self.weights);
        let known = known.filter_map(|(part, weight)| part.map(|part| [part * weight, weight]));
        let [sum, all] = known.fold([0.0; 2], |sums, part| {
            [sums[0] + part[0], sums[1] + part[1]]
        });
        Ok(CodeBleuScore {
            bleu,
            weighted,
            combined: sum / all,
        })
    }
}

/// The geometric mean over stretches of 1 to 4 tokens, of which `matches` gives those that match and all, times the brevity penalty.
fn geometric(answer: &[String], reference: &[String], matches: impl Fn(usize) -> [f64; 2]) -> f64 {
    let shares = [1, 2, 3, 4].map(|n| {
        let [found, all] = matches(n);
        [found, all.max(1.0)]
    });
    if shares[0][0] == 0.0 {
        return 0.0;
    }
    let logs = shares.map(|[found, all]| (if found > 0.0 { found } else { NONE } / all).ln());
    let (own, theirs) = (answer.len() as f64, reference.len() as f64);
    let brevity = (1.0 - theirs / own).min(0.0);
    (logs.iter().sum::<f64>() / 4.0 + brevity).exp()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn score(answer: &str, reference: &str) -> CodeBleuScore {
        let bleu = CodeBleu::new(PYTHON_KEYWORDS);
        bleu.score(answer, reference, None, None).unwrap()
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    /// Five tokens, the last of which is wrong: 4/5, 3/4, 2/3 and 1/2 of the stretches match.
    #[test]
    fn parts_by_hand() {
        let found = score("return a if b c", "return a if b else");
        let rest: f64 = 3.0 / 4.0 * 2.0 / 3.0 / 2.0;
        assert_near(found.bleu, (4.0 / 5.0 * rest).powf(0.25));
        // Of the reference's words: return, if and else weigh 1, a and b .2; all but else are found.
        assert_near(found.weighted, (2.4 / 3.4 * rest).powf(0.25));
        assert_near(found.combined, (found.bleu + found.weighted) / 2.0);
    }

    /// No pair matches: a tenth of one stretch stands for none.
    #[test]
    fn stretches_without_a_match_are_smoothed() {
        let found = score("b return a", "a return b");
        let rest: f64 = 0.1 / 2.0 * 0.1 / 1.0 * 0.1 / 1.0;
        assert_near(found.bleu, rest.powf(0.25));
        assert_near(found.weighted, rest.powf(0.25));
    }

    #[test]
    fn short_answers_pay_and_repeated_words_count_once() {
        let found = score("return a", "return a if b");
        let penalty = (1.0_f64 - 4.0 / 2.0).exp();
        assert_near(found.bleu, penalty * (0.1_f64 * 0.1).powf(0.25));
        let recall: f64 = 1.2 / 2.4 * (1.0 / 3.0) * (0.1 / 2.0) * 0.1;
        assert_near(found.weighted, penalty * recall.powf(0.25));
        // One of two is in the reference.
        let found = score("a a", "a b");
        assert_near(found.bleu, (0.5_f64 * 0.1 * 0.1 * 0.1).powf(0.25));
    }

    #[test]
    fn parts_that_are_left_out_give_their_weight_away() {
        let bleu = CodeBleu::new(RUST_KEYWORDS)
            .with_weights([0.1, 0.1, 0.4, 0.4])
            .unwrap();
        let (a, b) = ("let a = 1 ;", "let b = 1 ;");
        let with = |syntax, flow| bleu.score(a, b, syntax, flow).unwrap().combined;
        let parts = bleu.score(a, b, None, None).unwrap();
        let both = 0.1 * (parts.bleu + parts.weighted);
        assert_near(with(None, None), both / 0.2);
        assert_near(with(Some(0.5), None), (both + 0.2) / 0.6);
        assert_near(with(Some(0.5), Some(1.0)), both + 0.2 + 0.4);
    }

    #[test]
    fn nothing_in_common_and_nothing_at_all() {
        for (answer, reference) in [("a", "b"), ("", "a"), ("a", ""), ("", "")] {
            let found = score(answer, reference);
            assert_eq!(
                (found.bleu, found.weighted, found.combined),
                (0.0, 0.0, 0.0)
            );
        }
        let same = "if a b c d";
        assert_eq!(score(same, same).combined, 1.0);
        // Four words without a keyword weigh .8, which counts as 1.
        assert_near(score("a b c d", "a b c d").weighted, 0.8_f64.powf(0.25));
    }

    #[test]
    fn bad_weights_and_shares() {
        let bleu = || CodeBleu::new(PYTHON_KEYWORDS);
        for weights in [
            [0.0, 0.0, 1.0, 1.0],
            [-1.0, 1.0, 1.0, 1.0],
            [f64::NAN; 4],
            [1e308; 4],
        ] {
            assert!(bleu().with_weights(weights).is_err());
        }
        for share in [-0.1, 1.1, f64::NAN] {
            assert!(bleu().score("a", "a", Some(share), None).is_err());
            assert!(bleu().score("a", "a", None, Some(share)).is_err());
        }
    }
}
