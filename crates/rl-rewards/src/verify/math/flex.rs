//! # MathFlex
//!
//! Right where any of several readings of a response is equal to the reference: the MATH checker of TÜLU 3.
//!
//! Source: TÜLU 3 (arXiv 2411.15124), "MATH (flex)" of the released code

use serde::{Deserialize, Serialize};

use super::answer::{of_reference, verdict};
use super::equality::math_equal;
use super::hendrycks::hendrycks_equal;
use super::minerva::minerva_normalize;
use crate::verify::extract::{final_answer, last_boxed};
use crate::verify::verdict::{LONGEST_ANSWER, Reason, Verdict, Verifier};

/// The candidates are the last box and the normalised "Final Answer: The final answer is .. I hope it is correct."; without those,
/// the normalised text between the last two `$`; without that, the whole response, normalised and as it is. One that is
/// [`math_equal`] to the reference, or equal in Hendrycks's normal form, makes the response right.
///
/// The released code asks a computer algebra system in place of [`math_equal`]. A whole response is a candidate only where it has
/// at most 4,096 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MathFlex {}

impl MathFlex {
    /// The checker, which has no settings.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

/// What the release takes for the answer.
fn candidates(response: &str) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(last_boxed(response).map(str::to_owned));
    found.extend(final_answer(response).map(minerva_normalize));
    if !found.is_empty() {
        return found;
    }
    let last_dollars = || {
        let close = response.rfind('$')?;
        let open = response[..close].rfind('$')?;
        Some(&response[open + 1..close])
    };
    found.extend(last_dollars().map(minerva_normalize));
    if found.is_empty() && response.len() <= LONGEST_ANSWER {
        found.extend([minerva_normalize(response), response.to_owned()]);
    }
    found
}

impl Verifier for MathFlex {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        let reference = of_reference(reference);
        if reference.is_empty() {
            return Verdict::wrong(Reason::Reference);
        }
        let mut reason = Reason::NoAnswer;
        for candidate in candidates(response) {
            match math_equal(&candidate, reference) {
                Ok(()) => return Verdict::right(),
                Err(_) if hendrycks_equal(&candidate, reference) => return Verdict::right(),
                Err(why) => reason = why,
            }
        }
        verdict(Err(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_by_their_order() {
        assert_eq!(candidates(r"\boxed{5}, $6$"), ["5"]);
        let sentence = "Final Answer: The final answer is $x = 7$. I hope it is correct.";
        assert_eq!(candidates(sentence), ["7"]);
        assert_eq!(candidates("if $a$ then $3 cm$"), ["3"]);
        assert_eq!(candidates("100,000 dollars"), ["100000", "100,000 dollars"]);
        assert!(candidates(&"1 ".repeat(5000)).is_empty());
    }

    #[test]
    fn verdicts() {
        let verifier = MathFlex::new();
        assert!(verifier.verify(r"so \boxed{\frac12}", "0.5").is_right());
        assert!(verifier.verify("100,000 dollars", "100000").is_right());
        assert!(!verifier.verify(r"so \boxed{2}", "3").is_right());
        assert_eq!(verifier.verify("", "3").reason, Reason::NoAnswer);
        assert_eq!(verifier.verify("3", "").reason, Reason::Reference);
    }
}
