//! # Choice
//!
//! Whether the letter that a response chooses is the reference's.
//!
//! Source: Regimen's own; the places are those of the released checkers for multiple choice (MMLU, Hendrycks et al. 2021, arXiv 2009.03300)

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::extract::Extract;
use super::verdict::{Reason, Verdict, Verifier};
use crate::error::{Result, RlRewardsError, check};

/// Multiple choice, `A` to the letter of the number of options.
///
/// The choice is in the last box, the answer tags, after "answer is" or "answer:", or the whole response; the first of these that has one
/// decides. A letter counts where it stands alone: `B`, `(B)`, `**B**`, `B.`, `\text{B}`; an `A` before a word is an article. Small
/// letters count where nothing else stands there. Two different letters at the place that decides are [`Reason::Ambiguous`].
///
/// ```
/// use regimen_rl_rewards::verify::{Choice, Verifier};
///
/// let verifier = Choice::new(4)?;
/// assert!(verifier.verify("A whale is a mammal, so the answer is (C).", "C").is_right());
/// assert!(!verifier.verify("The answer is A or C.", "C").is_right());
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Choice {
    options: u8,
}
checked_serde!(Choice);

impl Choice {
    /// With this many options, 2 to 26.
    ///
    /// # Errors
    /// If there are fewer or more.
    pub fn new(options: u8) -> Result<Self> {
        Self { options }.checked()
    }

    fn is_option(self, letter: char) -> bool {
        letter.is_ascii_uppercase() && letter as u8 - b'A' < self.options
    }

    /// The letter at a place: `None` without one, an error for several.
    fn letter(self, text: &str) -> Option<Result<char, Reason>> {
        let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
        let bare = bare.strip_prefix("text{").unwrap_or(bare);
        let mut only = bare.chars();
        if let (Some(letter), None) = (only.next(), only.next()) {
            let letter = letter.to_ascii_uppercase();
            return self.is_option(letter).then_some(Ok(letter));
        }
        let mut found = None;
        let mut before = ' ';
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            let mut after = rest.clone();
            let next = after.next().unwrap_or('.');
            let alone = !before.is_alphanumeric() && !next.is_alphanumeric() && next != '\'';
            // "A cat", but not "A or B".
            let article = || {
                let word: String = after.take_while(|c| c.is_alphabetic()).take(4).collect();
                letter == 'A' && next.is_whitespace() && !["", "or", "and"].contains(&&*word)
            };
            let counts = alone && self.is_option(letter) && !article();
            before = letter;
            if !counts {
                continue;
            }
            match found {
                Some(other) if other != letter => return Some(Err(Reason::Ambiguous)),
                _ => found = Some(letter),
            }
        }
        found.map(Ok)
    }
}

impl Checked for Choice {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let options = f64::from(self.options);
        let allowed = (2..=26).contains(&self.options);
        check("options", options, allowed, "2 to 26")
    }
}

impl Verifier for Choice {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        let Some(Ok(right)) = self.letter(reference) else {
            return Verdict::wrong(Reason::Reference);
        };
        let places = [
            Extract::Boxed,
            Extract::AnswerTags,
            Extract::Announced,
            Extract::Whole,
        ];
        let mut letters = places
            .iter()
            .filter_map(|place| self.letter(place.find(response)?));
        match letters.next() {
            Some(Ok(letter)) => Verdict::of(letter == right, Reason::Different),
            Some(Err(reason)) => Verdict::wrong(reason),
            None => Verdict::wrong(Reason::NoAnswer),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_stand_alone() {
        let verifier = Choice::new(4).unwrap();
        let of = |response: &str| verifier.verify(response, "(B)");
        for response in [
            "B",
            "b",
            "(B)",
            "B.",
            "**B**",
            r"\boxed{B}",
            r"\boxed{\text{B}}",
            "Answer: B) a cat",
            "<answer>b</answer>",
            "A dog is no cat, so B.",
            "The answer is B. A is wrong.",
        ] {
            assert!(of(response).is_right(), "{response}");
        }
        assert_eq!(of("C").reason, Reason::Different);
        assert_eq!(of("E").reason, Reason::NoAnswer);
        assert_eq!(of("").reason, Reason::NoAnswer);
        assert_eq!(of("A or B").reason, Reason::Ambiguous);
        assert_eq!(verifier.verify("B", "7").reason, Reason::Reference);
        assert!(Choice::new(1).is_err());
        assert!(Choice::new(27).is_err());
    }
}
