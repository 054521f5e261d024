//! # MathAnswer
//!
//! Whether the answer in a response is mathematically equal to the reference.
//!
//! Source: Regimen's own, from [`Extract`] and [`math_equal`](super::math_equal); the order of places follows math-verify

use serde::{Deserialize, Serialize};

use super::equality::{Read, equal_read};
use crate::verify::extract::Extract;
use crate::verify::verdict::{Reason, Verdict, Verifier};

/// Finds the answer of a response and compares it with the reference by [`math_equal`](super::math_equal).
///
/// The places are tried in order; the first that holds something that can be read decides. The reference is the answer itself, a
/// text with a `\boxed{..}`, or one of GSM8K with `####`.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `places` | [`Extract::USUAL`] | where the answer may stand |
///
/// ```
/// use regimen_rl_rewards::verify::{MathAnswer, Verifier};
///
/// let verifier = MathAnswer::default();
/// assert!(verifier.verify(r"Hence $x=\boxed{\frac{6}{4}}$.", "1.5").is_right());
/// assert!(verifier.verify("so 1,000 dollars. The answer is $1,500.", "1500").is_right());
/// let verdict = verifier.verify("I do not know.", "1.5");
/// assert_eq!(verdict.to_string(), "0 (no answer was found in the response)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MathAnswer {
    places: Vec<Extract>,
}

impl Default for MathAnswer {
    fn default() -> Self {
        Self::at(&Extract::USUAL)
    }
}

impl MathAnswer {
    /// Looks at these places only, in this order. With none, no response has an answer.
    #[must_use]
    pub fn at(places: &[Extract]) -> Self {
        Self {
            places: places.to_vec(),
        }
    }
}

/// The answer in a reference.
pub(super) fn of_reference(reference: &str) -> &str {
    let places = [Extract::Boxed, Extract::Hashes, Extract::Whole];
    Extract::first(&places, reference).unwrap_or_default()
}

impl Verifier for MathAnswer {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        let reference = Read::new(of_reference(reference));
        if reference.text.is_empty() {
            return Verdict::wrong(Reason::Reference);
        }
        let mut first = None;
        for found in self.places.iter().filter_map(|place| place.find(response)) {
            let found = Read::new(found);
            if found.answer.is_ok() {
                return verdict(equal_read(&found, &reference));
            }
            first = first.or(Some(found));
        }
        match first {
            // Nothing can be read as mathematics: as text.
            Some(found) => verdict(equal_read(&found, &reference)),
            None => Verdict::wrong(Reason::NoAnswer),
        }
    }
}

pub(super) fn verdict(equal: Result<(), Reason>) -> Verdict {
    match equal {
        Ok(()) => Verdict::right(),
        Err(reason) => Verdict::wrong(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_that_can_be_read_decides() {
        let verifier = MathAnswer::default();
        let right =
            |response: &str, reference: &str| verifier.verify(response, reference).is_right();
        assert!(right(r"\boxed{2} but The answer is 3.", "2"));
        assert!(!right(r"\boxed{2} but The answer is 3.", "3"));
        assert!(right(r"<answer>$\frac{1}{3}$</answer>", r"\boxed{\frac13}"));
        assert!(right("5+5=10\n#### 10", "sum it\n#### 10"));
        assert!(right("it is -7", "-7"));
        assert!(right("x = 5, y = 6, hence 11 in all", "11"));
        assert!(right(r"\boxed{\text{Monday}}", "Monday"));
        assert!(right(r"\boxed{§§}", "§§"));
        assert_eq!(verifier.verify("5", "").reason, Reason::Reference);
        assert_eq!(verifier.verify("", "5").reason, Reason::NoAnswer);
        assert_eq!(
            MathAnswer::at(&[]).verify("5", "5").reason,
            Reason::NoAnswer
        );
    }
}
