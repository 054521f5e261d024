//! # Constraint
//!
//! One instruction on the form of a response, checked exactly: the 25 of IFEval.
//!
//! Source: IFEval (Zhou et al. 2023, arXiv 2311.07911), with the semantics of TÜLU 3's released checkers (arXiv 2411.15124)

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::language::{is_language, language};
use super::{layout, words};
use crate::error::{Result, RlRewardsError};
use crate::verify::json::{is_json, without_fences};

/// How a count is compared with the one that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quantifier {
    /// The count or more.
    #[serde(rename = "at least")]
    AtLeast,
    /// The count or fewer.
    #[serde(rename = "at most")]
    AtMost,
    /// Within the tolerance of the constraint.
    #[serde(rename = "around")]
    Around,
}

impl Quantifier {
    fn holds(self, count: usize, n: usize, tolerance: usize) -> bool {
        match self {
            Self::AtLeast => count >= n,
            Self::AtMost => count <= n,
            Self::Around => count.abs_diff(n) <= tolerance,
        }
    }
}

/// One constraint. In JSON it is the object of TÜLU 3's data: `func_name` and the arguments; other fields are left out.
///
/// A text is judged as it is, but for JSON's fences and white space at its ends in `End` and `Quotation`. Python's and Rust's notions of
/// letters and case differ in a few scripts.
///
/// ```
/// use regimen_rl_rewards::verify::Constraint;
///
/// let text = r#"{"func_name": "validate_word_constraint", "N": 10, "quantifier": "around"}"#;
/// let constraint: Constraint = serde_json::from_str(text)?;
/// assert!(constraint.is_met("nine words are near enough to ten of them"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "func_name")]
#[non_exhaustive]
pub enum Constraint {
    /// All keywords are in the text, as parts of words too, in any case.
    #[serde(rename = "verify_keywords")]
    Keywords {
        /// The keywords.
        keyword_list: Vec<String>,
    },
    /// A whole word is in the text exactly `n` times, in any case.
    #[serde(rename = "verify_keyword_frequency")]
    KeywordFrequency {
        /// The word.
        word: String,
        /// The count.
        #[serde(rename = "N")]
        n: usize,
    },
    /// None of the words is in the text, not as part of a word either, in any case.
    #[serde(rename = "validate_forbidden_words")]
    ForbiddenWords {
        /// The words.
        forbidden_words: Vec<String>,
    },
    /// A letter is in the text exactly `n` times, in this case.
    #[serde(rename = "verify_letter_frequency")]
    LetterFrequency {
        /// The letter.
        letter: char,
        /// The count.
        #[serde(rename = "N")]
        n: usize,
    },
    /// The text is most likely of a language.
    #[serde(rename = "validate_response_language")]
    Language {
        /// Its code of ISO 639-1.
        language: String,
    },
    /// `n` paragraphs between `* * *`, none of them empty.
    #[serde(rename = "verify_paragraph_count")]
    Paragraphs {
        /// The count.
        #[serde(rename = "N")]
        n: usize,
    },
    /// A number of words between white space; around: within a tenth (rounded half to even), at least 1.
    #[serde(rename = "validate_word_constraint")]
    Words {
        /// The count.
        #[serde(rename = "N")]
        n: usize,
        /// How it is compared.
        quantifier: Quantifier,
    },
    /// A number of sentences, which `.`, `?` or `!` before white space end; around: within 1. An empty text has none.
    #[serde(rename = "verify_sentence_constraint")]
    Sentences {
        /// The count.
        #[serde(rename = "N")]
        n: usize,
        /// How it is compared.
        quantifier: Quantifier,
    },
    /// `n` paragraphs between blank lines, the `i`-th of which, from 1, begins with a word.
    #[serde(rename = "validate_paragraphs")]
    FirstWord {
        /// The count.
        #[serde(rename = "N")]
        n: usize,
        /// The word.
        first_word: String,
        /// The paragraph, from 1 to `n`.
        i: usize,
    },
    /// Something follows a marker such as "P.S.".
    #[serde(rename = "verify_postscript")]
    Postscript {
        /// The marker.
        postscript_marker: String,
    },
    /// At least `n` placeholders `[..]`.
    #[serde(rename = "validate_placeholders")]
    Placeholders {
        /// The count.
        #[serde(rename = "N")]
        n: usize,
    },
    /// Exactly `n` lines that begin with `*` or `-`.
    #[serde(rename = "verify_bullet_points")]
    Bullets {
        /// The count.
        #[serde(rename = "N")]
        n: usize,
    },
    /// A title `<<..>>`.
    #[serde(rename = "validate_title")]
    Title,
    /// One of the options is in the text.
    #[serde(rename = "validate_choice")]
    Choice {
        /// The options.
        options: Vec<String>,
    },
    /// At least `n` highlighted parts `*..*`, those of `**..**` twice and thrice as the released expression counts them.
    #[serde(rename = "validate_highlighted_sections")]
    Highlights {
        /// The count.
        #[serde(rename = "N")]
        n: usize,
    },
    /// Exactly `n` sections between splitters, one empty piece at the start left out.
    #[serde(rename = "validate_sections")]
    Sections {
        /// The count.
        #[serde(rename = "N")]
        n: usize,
        /// What stands before each section.
        section_splitter: String,
    },
    /// The text is JSON.
    #[serde(rename = "validate_json_format")]
    Json,
    /// The text begins with the prompt, word for word.
    #[serde(rename = "validate_repeat_prompt")]
    RepeatPrompt {
        /// The prompt.
        original_prompt: String,
    },
    /// Two different texts with exactly one `******` between them.
    #[serde(rename = "validate_two_responses")]
    TwoResponses,
    /// No letter is small.
    #[serde(rename = "validate_uppercase")]
    Uppercase,
    /// No letter is a capital.
    #[serde(rename = "validate_lowercase")]
    Lowercase,
    /// A number of words of capitals `A` to `Z`; around: within a tenth, at least 1.
    #[serde(rename = "validate_frequency_capital_words")]
    CapitalWords {
        /// The count.
        #[serde(rename = "N")]
        n: usize,
        /// How it is compared.
        quantifier: Quantifier,
    },
    /// The text ends with a phrase.
    #[serde(rename = "validate_end")]
    End {
        /// The phrase.
        end_phrase: String,
    },
    /// The text begins and ends with `"`.
    #[serde(rename = "validate_quotation")]
    Quotation,
    /// The text has no comma.
    #[serde(rename = "validate_no_commas")]
    NoCommas,
}
checked_serde!(Constraint);

impl Constraint {
    /// Whether the text keeps to it. One that [`Checked::check`] refuses is never met.
    #[must_use]
    pub fn is_met(&self, text: &str) -> bool {
        match self {
            Self::Keywords { keyword_list } => words::has_all(text, keyword_list),
            Self::KeywordFrequency { word, n } => words::frequency(text, word) == *n,
            Self::ForbiddenWords { forbidden_words } => words::has_none(text, forbidden_words),
            Self::LetterFrequency { letter, n } => text.matches(*letter).count() == *n,
            Self::Language { language } => is_language(text, language),
            Self::Paragraphs { n } => layout::starred_paragraphs(text) == Some(*n),
            Self::Words { n, quantifier } => {
                quantifier.holds(text.split_whitespace().count(), *n, words::tolerance(*n))
            }
            Self::Sentences { n, quantifier } => quantifier.holds(words::sentences(text), *n, 1),
            Self::FirstWord { n, first_word, i } => layout::first_word(text, *n, *i, first_word),
            Self::Postscript { postscript_marker } => layout::postscript(text, postscript_marker),
            Self::Placeholders { n } => layout::enclosed(text, "[", "]") >= *n,
            Self::Bullets { n } => layout::bullets(text) == *n,
            Self::Title => layout::enclosed(text, "<<", ">>") > 0,
            Self::Choice { options } => options.iter().any(|option| text.contains(option)),
            Self::Highlights { n } => layout::enclosed(text, "*", "*") >= *n,
            Self::Sections {
                n,
                section_splitter,
            } => !section_splitter.is_empty() && layout::sections(text, section_splitter) == *n,
            Self::Json => is_json(without_fences(text)),
            Self::RepeatPrompt { original_prompt } => text.starts_with(original_prompt),
            Self::TwoResponses => layout::two_responses(text),
            Self::Uppercase => text.chars().all(|c| c.to_uppercase().eq([c])),
            Self::Lowercase => text.chars().all(|c| c.to_lowercase().eq([c])),
            Self::CapitalWords { n, quantifier } => {
                quantifier.holds(words::capitals(text), *n, words::tolerance(*n))
            }
            Self::End { end_phrase } => text.trim_end().ends_with(end_phrase.trim_end()),
            Self::Quotation => {
                let text = text.trim();
                text.starts_with('"') && text.ends_with('"')
            }
            Self::NoCommas => !text.contains(','),
        }
    }
}

impl Checked for Constraint {
    type Error = RlRewardsError;

    /// What can't be checked is refused: an empty splitter or marker, a paragraph that isn't among the `n`, a language that can't be
    /// told.
    fn check(&self) -> Result<()> {
        let (field, value, allowed) = match self {
            Self::Sections {
                section_splitter, ..
            } if section_splitter.is_empty() => (
                "section_splitter",
                String::new(),
                "a text that is not empty",
            ),
            Self::Postscript { postscript_marker } if postscript_marker.is_empty() => (
                "postscript_marker",
                String::new(),
                "a text that is not empty",
            ),
            Self::FirstWord { n, i, .. } if *i == 0 || i > n => ("i", i.to_string(), "1 to `N`"),
            Self::Language { language: code } if language(code).is_none() => {
                let allowed = "a code of ISO 639-1 that `whatlang` tells";
                ("language", code.chars().take(16).collect(), allowed)
            }
            _ => return Ok(()),
        };
        Err(RlRewardsError::OutOfRange {
            field,
            value,
            allowed,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn met(json: &str, text: &str) -> bool {
        serde_json::from_str::<Constraint>(json)
            .unwrap()
            .is_met(text)
    }

    /// Each checker, a text that keeps to it, and one that does not.
    #[test]
    fn all_twenty_five() {
        let rows = [
            (
                r#"{"func_name":"verify_keywords","keyword_list":["Cat","og"],"N":null}"#,
                "a DOG, a cat",
                "a cat",
            ),
            (
                r#"{"func_name":"verify_keyword_frequency","word":"cat","N":2}"#,
                "Cat cat concat",
                "cat concat",
            ),
            (
                r#"{"func_name":"validate_forbidden_words","forbidden_words":["cat"]}"#,
                "dog",
                "conCATenate",
            ),
            (
                r#"{"func_name":"verify_letter_frequency","letter":"a","N":2}"#,
                "a Aa",
                "aaa",
            ),
            (
                r#"{"func_name":"validate_response_language","language":"en"}"#,
                "This is surely a text that was written in English.",
                "Das ist sicher ein Text in deutscher Sprache.",
            ),
            (
                r#"{"func_name":"verify_paragraph_count","N":2}"#,
                "a\n* * *\nb",
                "a",
            ),
            (
                r#"{"func_name":"validate_word_constraint","N":5,"quantifier":"around"}"#,
                "a b c d",
                "a b c",
            ),
            (
                r#"{"func_name":"verify_sentence_constraint","N":4,"quantifier":"around"}"#,
                "A. B! C?",
                "A. B.",
            ),
            (
                r#"{"func_name":"validate_paragraphs","N":2,"first_word":"So","i":2}"#,
                "a\n\nSo b",
                "So\n\nb",
            ),
            (
                r#"{"func_name":"verify_postscript","postscript_marker":"P.S."}"#,
                "a P.S. b",
                "a P.S.",
            ),
            (
                r#"{"func_name":"validate_placeholders","N":2}"#,
                "[a] [b] [c]",
                "[a] b]",
            ),
            (
                r#"{"func_name":"verify_bullet_points","N":2}"#,
                "* a\n- b",
                "* a",
            ),
            (r#"{"func_name":"validate_title"}"#, "<<A>> b", "<A> b"),
            (
                r#"{"func_name":"validate_choice","options":["yes","no"]}"#,
                "I say yes.",
                "perhaps",
            ),
            (
                r#"{"func_name":"validate_highlighted_sections","N":2}"#,
                "*a* and *b*",
                "*a* b",
            ),
            (
                r#"{"func_name":"validate_sections","N":2,"section_splitter":"Part"}"#,
                "Part 1 Part 2",
                "Part 1",
            ),
            (
                r#"{"func_name":"validate_json_format"}"#,
                "```json\n[1]\n```",
                "[1",
            ),
            (
                r#"{"func_name":"validate_repeat_prompt","original_prompt":"Why?"}"#,
                "Why? So.",
                "So. Why?",
            ),
            (
                r#"{"func_name":"validate_two_responses"}"#,
                "a ****** b",
                "a ****** a",
            ),
            (r#"{"func_name":"validate_uppercase"}"#, "A 1 É", "A b"),
            (r#"{"func_name":"validate_lowercase"}"#, "a 1 é", "a B"),
            (
                r#"{"func_name":"validate_frequency_capital_words","N":2,"quantifier":"at least"}"#,
                "A NASA b",
                "A b",
            ),
            (
                r#"{"func_name":"validate_end","end_phrase":"The end."}"#,
                "So. The end.\n",
                "The end. So.",
            ),
            (r#"{"func_name":"validate_quotation"}"#, "\"a\"", "\"a"),
            (r#"{"func_name":"validate_no_commas"}"#, "a b", "a, b"),
        ];
        assert_eq!(rows.len(), 25);
        for (json, good, bad) in rows {
            assert!(met(json, good), "{json} {good}");
            assert!(!met(json, bad), "{json} {bad}");
            let constraint: Constraint = serde_json::from_str(json).unwrap();
            let written = serde_json::to_string(&constraint).unwrap();
            assert_eq!(
                serde_json::from_str::<Constraint>(&written).unwrap(),
                constraint
            );
        }
    }

    #[test]
    fn quantifiers() {
        let words = |quantifier: &str, text: &str| {
            met(
                &format!(
                    r#"{{"func_name":"validate_word_constraint","N":2,"quantifier":"{quantifier}"}}"#
                ),
                text,
            )
        };
        assert!(words("at least", "a b") && words("at least", "a b c") && !words("at least", "a"));
        assert!(words("at most", "a b") && words("at most", "") && !words("at most", "a b c"));
        assert!(words("around", "a") && words("around", "a b c") && !words("around", "a b c d"));
    }

    #[test]
    fn what_cannot_be_checked_is_refused() {
        for text in [
            r#"{"func_name":"validate_sections","N":2,"section_splitter":""}"#,
            r#"{"func_name":"validate_paragraphs","N":2,"first_word":"So","i":3}"#,
            r#"{"func_name":"validate_paragraphs","N":2,"first_word":"So","i":0}"#,
            r#"{"func_name":"validate_response_language","language":"tlh"}"#,
            r#"{"func_name":"verify_letter_frequency","letter":"ab","N":2}"#,
            r#"{"func_name":"unknown"}"#,
        ] {
            assert!(serde_json::from_str::<Constraint>(text).is_err(), "{text}");
        }
    }
}
