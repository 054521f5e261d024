//! How a text is cut into tokens.

use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result};

/// How a text is cut into tokens.
///
/// ```
/// use regimen_curriculum::text::TextTokens;
///
/// assert_eq!(TextTokens::Whitespace.split("Let x=1"), ["Let", "x=1"]);
/// assert_eq!(TextTokens::Words.split("Let x=1"), ["let", "x", "1"]);
/// assert_eq!(TextTokens::WordsAndSigns.split("Let x=1"), ["let", "x", "=", "1"]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TextTokens {
    /// What stands between white space, as it is.
    Whitespace,
    /// Runs of letters, digits and `_`, in lower case.
    #[default]
    Words,
    /// As [`Words`](Self::Words), and each other character but white space by itself.
    WordsAndSigns,
}

impl TextTokens {
    /// Gives each token of a text, in order.
    pub fn for_each(self, text: &str, mut token: impl FnMut(&str)) {
        if self == Self::Whitespace {
            return text.split_whitespace().for_each(token);
        }
        let signs = self == Self::WordsAndSigns;
        let mut lower = String::new();
        let mut at = 0;
        while at < text.len() {
            let (length, is_lower) = word(&text[at..]);
            if length == 0 {
                let sign = text[at..].chars().next().map_or(1, char::len_utf8);
                let sign = &text[at..at + sign];
                if signs && !sign.trim().is_empty() {
                    token(sign);
                }
                at += sign.len();
                continue;
            }
            let found = &text[at..at + length];
            at += length;
            if is_lower {
                token(found);
            } else {
                lower.clear();
                lower.extend(found.chars().flat_map(char::to_lowercase));
                token(&lower);
            }
        }
    }

    /// All tokens of a text.
    #[must_use]
    pub fn split(self, text: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        self.for_each(text, |token| tokens.push(token.to_owned()));
        tokens
    }
}

/// The bytes of the word at the start of a text, and whether it is of lower case as it stands, as far as bytes tell.
fn word(text: &str) -> (usize, bool) {
    let bytes = text.as_bytes();
    let (mut at, mut is_lower) = (0, true);
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii() {
            if !byte.is_ascii_alphanumeric() && *byte != b'_' {
                break;
            }
            is_lower &= !byte.is_ascii_uppercase();
            at += 1;
        } else {
            match text[at..].chars().next() {
                Some(letter) if letter.is_alphanumeric() => at += letter.len_utf8(),
                _ => break,
            }
            is_lower = false;
        }
    }
    (at, is_lower)
}

/// A count in 32 bits.
pub(super) fn number(field: &'static str, value: usize) -> Result<u32> {
    u32::try_from(value).map_err(|_| CurriculumError::OutOfRange {
        field,
        value: value.to_string(),
        allowed: "up to 4294967295 (2^32 - 1)",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_any_script() {
        let text = "Straße, ÄPFEL_2\t- naïve…";
        let words = ["straße", "äpfel_2", "naïve"];
        assert_eq!(TextTokens::Words.split(text), words);
        let all = ["straße", ",", "äpfel_2", "-", "naïve", "…"];
        assert_eq!(TextTokens::WordsAndSigns.split(text), all);
        assert_eq!(TextTokens::Whitespace.split(text).len(), 4);
        for rule in [TextTokens::Words, TextTokens::Whitespace] {
            assert!(rule.split(" \n").is_empty());
        }
    }
}
