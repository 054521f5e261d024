//! # TokenF1
//!
//! The overlap of words between a response and the reference.
//!
//! Source: SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250), the released evaluation

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::extract::Extract;
use super::text::squad_normalize;
use super::verdict::{Reason, Verdict, Verifier};

/// `2 p r / (p + r)` with the shares `p` of the response's and `r` of the reference's words that both have, each as often as in the rarer
/// one, after [`squad_normalize`]. Where one has no words the score is 1 if the other has none either.
///
/// ```
/// use regimen_rl_rewards::verify::{TokenF1, Verifier};
///
/// let score = TokenF1::default().verify("the black cat sat", "a black cat").score;
/// assert_eq!(score, 0.8); // 2 of 3 and 2 of 2
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenF1 {
    place: Extract,
}

impl Default for TokenF1 {
    fn default() -> Self {
        Self::at(Extract::Whole)
    }
}

impl TokenF1 {
    /// The answer stands at this place.
    #[must_use]
    pub fn at(place: Extract) -> Self {
        Self { place }
    }
}

impl Verifier for TokenF1 {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        let found = squad_normalize(self.place.find(response).unwrap_or_default());
        let reference = squad_normalize(reference);
        let mut left: HashMap<&str, usize> = HashMap::new();
        let mut wanted = 0_usize;
        for word in reference.split_whitespace() {
            *left.entry(word).or_default() += 1;
            wanted += 1;
        }
        let mut given = 0_usize;
        let mut shared = 0_usize;
        for word in found.split_whitespace() {
            given += 1;
            if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
                *count -= 1;
                shared += 1;
            }
        }
        if found == reference {
            return Verdict::right();
        }
        if shared == 0 {
            let reason = if given == 0 {
                Reason::NoAnswer
            } else {
                Reason::Different
            };
            return Verdict::wrong(reason);
        }
        Verdict::graded(2.0 * shared as f64 / (given + wanted) as f64, Reason::Alike)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_as_often_as_in_the_rarer_one() {
        let f1 = |a: &str, b: &str| TokenF1::default().verify(a, b).score;
        assert_eq!(f1("a cat", "cat"), 1.0);
        assert_eq!(f1("cat cat cat", "cat"), 0.5);
        assert_eq!(f1("dog", "cat"), 0.0);
        assert_eq!(f1("", ""), 1.0);
        assert_eq!(f1("", "cat"), 0.0);
        assert_eq!(f1("the", "a"), 1.0);
        assert_eq!(f1("x y", "y z"), 0.5);
    }
}
