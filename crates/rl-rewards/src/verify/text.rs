//! # TextMatch
//!
//! Whether a response is the reference's text, exactly or nearly.
//!
//! Source: Levenshtein 1966, by the crate `strsim`; the normal form is that of SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250)

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::extract::Extract;
use super::verdict::{Reason, Verdict, Verifier};
use crate::error::{Result, RlRewardsError, check};

/// The longest normalised texts that are compared nearly, in bytes: the work grows with the product of both lengths.
pub const LONGEST_FUZZY: usize = 2048;

/// SQuAD's normal form: lower case, without ASCII punctuation, without the words "a", "an", "the", one space between words.
///
/// ```
/// assert_eq!(regimen_rl_rewards::verify::squad_normalize("The  cat's  hat!"), "cats hat");
/// ```
#[must_use]
pub fn squad_normalize(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String = lower
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    let words = kept.split_whitespace();
    let words = words.filter(|word| !["a", "an", "the"].contains(word));
    words.collect::<Vec<_>>().join(" ")
}

/// How texts are made alike before they are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextForm {
    /// Only white space at both ends is left out.
    Trimmed,
    /// [`squad_normalize`].
    #[default]
    Squad,
}

impl TextForm {
    fn of(self, text: &str) -> String {
        match self {
            Self::Trimmed => text.trim().to_owned(),
            Self::Squad => squad_normalize(text),
        }
    }
}

/// Compares the text at a place of the response with the reference.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `form` | [`TextForm::Squad`] | how both are made alike |
/// | `place` | [`Extract::Whole`] | where the answer stands |
/// | `threshold` | 1 | the least likeness with a score, above 0 and at most 1 |
///
/// Likeness is 1 less the edits over the longer length, in characters. At a threshold of 1 only the same text is right, in linear time;
/// below it the score is the likeness where that reaches the threshold, else 0. Nearly compared are texts of up to 2,048 bytes;
/// longer ones are [`Reason::TooLarge`] unless they are the same.
///
/// ```
/// use regimen_rl_rewards::verify::{TextMatch, Verifier};
///
/// assert!(TextMatch::exact().verify("The Eiffel Tower!", "eiffel tower").is_right());
/// let near = TextMatch::fuzzy(0.8)?.verify("eifel tower", "Eiffel Tower");
/// assert!(near.score > 0.9 && near.score < 1.0);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct TextMatch {
    form: TextForm,
    place: Extract,
    threshold: f64,
}
checked_serde!(TextMatch);

impl TextMatch {
    /// The same text only.
    #[must_use]
    pub fn exact() -> Self {
        Self {
            form: TextForm::default(),
            place: Extract::Whole,
            threshold: 1.0,
        }
    }

    /// Texts that are at least so alike.
    ///
    /// # Errors
    /// If the threshold is not above 0 and at most 1.
    pub fn fuzzy(threshold: f64) -> Result<Self> {
        Self {
            threshold,
            ..Self::exact()
        }
        .checked()
    }

    /// How both texts are made alike.
    #[must_use]
    pub fn with_form(self, form: TextForm) -> Self {
        Self { form, ..self }
    }

    /// Where the answer stands.
    #[must_use]
    pub fn with_place(self, place: Extract) -> Self {
        Self { place, ..self }
    }
}

impl Checked for TextMatch {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let allowed = self.threshold > 0.0 && self.threshold <= 1.0;
        check(
            "threshold",
            self.threshold,
            allowed,
            "above 0 and at most 1",
        )
    }
}

impl Verifier for TextMatch {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        let Some(found) = self.place.find(response) else {
            return Verdict::wrong(Reason::NoAnswer);
        };
        let (found, reference) = (self.form.of(found), self.form.of(reference));
        if found == reference {
            return Verdict::right();
        }
        if self.threshold >= 1.0 {
            return Verdict::wrong(Reason::Different);
        }
        if found.len().max(reference.len()) > LONGEST_FUZZY {
            return Verdict::wrong(Reason::TooLarge);
        }
        let likeness = strsim::normalized_levenshtein(&found, &reference);
        if likeness >= self.threshold {
            Verdict::graded(likeness, Reason::Alike)
        } else {
            Verdict::wrong(Reason::Different)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn exactly_and_nearly() {
        let exact = TextMatch::exact();
        assert!(exact.verify(" the Cat. ", "cat").is_right());
        assert!(
            !exact
                .with_form(TextForm::Trimmed)
                .verify("Cat", "cat")
                .is_right()
        );
        assert_eq!(exact.verify("", "cat").reason, Reason::NoAnswer);
        let tagged = exact.with_place(Extract::AnswerTags);
        assert!(tagged.verify("so <answer>cat</answer>", "cat").is_right());
        let fuzzy = TextMatch::fuzzy(0.5).unwrap();
        assert_eq!(fuzzy.verify("kitten", "mitten").score, 5.0 / 6.0);
        assert_eq!(fuzzy.verify("kitten", "dog").score, 0.0);
        assert!((fuzzy.verify("ünï", "üni").score - 2.0 / 3.0).abs() < 1e-12);
        let long = "x ".repeat(5000);
        assert_eq!(fuzzy.verify(&long, "x").reason, Reason::TooLarge);
        assert!(TextMatch::fuzzy(0.0).is_err());
        assert!(TextMatch::fuzzy(f64::NAN).is_err());
    }
}
