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
        let bytes = text.as_bytes();
        let mut lower = String::new();
        let mut at = 0;
        while let Some(first) = bytes.get(at) {
            if !signs && kind(*first) == Kind::Sign {
                at += 1;
                continue;
            }
            let (length, case) = word(text, at);
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
            if case == Kind::Lower {
                token(found);
                continue;
            }
            lower.clear();
            if case == Kind::Upper {
                lower.push_str(found);
                lower.make_ascii_lowercase();
            } else {
                lower.extend(found.chars().flat_map(char::to_lowercase));
            }
            token(&lower);
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

/// What a byte says of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// ASCII that belongs to no word.
    Sign,
    /// A lower-case letter, a digit or `_`.
    Lower,
    Upper,
    /// A byte of a character beyond ASCII.
    Other,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Sign; 256];
    let mut byte = 0;
    while byte < 256 {
        let ascii = byte as u8;
        kinds[byte] = match ascii {
            b'a'..=b'z' | b'0'..=b'9' | b'_' => Kind::Lower,
            b'A'..=b'Z' => Kind::Upper,
            0x80.. => Kind::Other,
            _ => Kind::Sign,
        };
        byte += 1;
    }
    kinds
};

fn kind(byte: u8) -> Kind {
    KINDS[usize::from(byte)]
}

/// The bytes of the word that starts at a place, and the largest kind of them.
fn word(text: &str, start: usize) -> (usize, Kind) {
    let bytes = text.as_bytes();
    let (mut at, mut largest) = (start, Kind::Lower);
    while let Some(byte) = bytes.get(at) {
        match kind(*byte) {
            Kind::Sign => break,
            Kind::Other => match text[at..].chars().next() {
                Some(letter) if letter.is_alphanumeric() => at += letter.len_utf8(),
                _ => break,
            },
            _ => at += 1,
        }
        largest = largest.max(kind(*byte));
    }
    (at - start, largest)
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

    /// By the definition, a character at a time.
    fn slowly(text: &str) -> Vec<String> {
        let is_sign = |letter: char| !letter.is_alphanumeric() && letter != '_';
        let words = text.split(is_sign).filter(|word| !word.is_empty());
        let lower = |word: &str| word.chars().flat_map(char::to_lowercase).collect();
        words.map(lower).collect()
    }

    #[test]
    fn words_are_runs_of_letters_digits_and_underscores() {
        let mut all: String = (0..0x3000).filter_map(char::from_u32).collect();
        all.push_str("İSTANBUL ΣΑΣ ǅ ﬃ a\u{301}b 𝐀x 東京2 A_b");
        assert_eq!(TextTokens::Words.split(&all), slowly(&all));
        for ends in [0, 1, 2, 3] {
            let cut: String = all.chars().skip(ends).step_by(3).collect();
            assert_eq!(TextTokens::Words.split(&cut), slowly(&cut));
        }
    }

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
