//! # Gsm8k
//!
//! Whether the last number of a response is the reference, letter by letter.
//!
//! Source: TÜLU 3 (arXiv 2411.15124), the released checker for GSM8K (Cobbe et al. 2021, arXiv 2110.14168)

use serde::{Deserialize, Serialize};

use crate::verify::extract::{NumberRule, after_hashes, last_number};
use crate::verify::verdict::{Reason, Verdict, Verifier};

/// Takes the commas between digits out, then the last number, and compares in lower case: "5.0" is not "5".
///
/// | field | default | meaning |
/// |---|---|---|
/// | `rule` | [`NumberRule::Signed`] | which texts are numbers |
///
/// The reference is the number, or a solution of GSM8K with `####`.
///
/// ```
/// use regimen_rl_rewards::verify::{Gsm8k, NumberRule, Verifier};
///
/// assert!(Gsm8k::default().verify("The answer is 1,234.", "1234").is_right());
/// assert!(!Gsm8k::new(NumberRule::Release).verify("so x = -5", "-5").is_right());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gsm8k {
    rule: NumberRule,
}

impl Gsm8k {
    /// With a rule of numbers.
    #[must_use]
    pub fn new(rule: NumberRule) -> Self {
        Self { rule }
    }
}

impl Verifier for Gsm8k {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        let reference = after_hashes(reference).unwrap_or(reference).trim();
        if reference.is_empty() {
            return Verdict::wrong(Reason::Reference);
        }
        let found = last_number(response, self.rule).to_lowercase();
        Verdict::of(found.trim() == reference.to_lowercase(), Reason::Different)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_by_letter() {
        let verifier = Gsm8k::default();
        assert!(verifier.verify("it makes $3.50.", "3.50").is_right());
        assert!(!verifier.verify("5.0", "5").is_right());
        assert!(verifier.verify("Half", "half").is_right());
        assert!(verifier.verify("= 72", "48+24\n#### 72").is_right());
        assert_eq!(verifier.verify("5", " ").reason, Reason::Reference);
    }
}
