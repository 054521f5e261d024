//! # Tags
//!
//! Whether a response is made of tagged blocks, one of each in their order.
//!
//! Source: DeepSeek-R1 (arXiv 2501.12948, section 2.2.2), format rewards

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::verdict::{Reason, Verdict, Verifier};
use crate::error::{Result, RlRewardsError};

/// The most tags and the longest name.
const MOST: usize = 32;

/// Exactly one `<name>..</name>` of each name, in order, and nothing but white space around them (unless text is allowed there). The
/// reference is not used.
///
/// ```
/// use regimen_rl_rewards::verify::{Tags, Verifier};
///
/// let verifier = Tags::think_then_answer();
/// assert!(verifier.verify("<think>2+2</think>\n<answer>4</answer>", "").is_right());
/// assert!(!verifier.verify("<answer>4</answer>", "").is_right());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Tags {
    names: Vec<String>,
    text_around: bool,
}
checked_serde!(Tags);

impl Tags {
    /// One `<think>` block, then one `<answer>` block.
    #[must_use]
    pub fn think_then_answer() -> Self {
        Self {
            names: vec!["think".into(), "answer".into()],
            text_around: false,
        }
    }

    /// Blocks of these names, in this order: 1 to 32 different ones, each of 1 to 32 ASCII letters, digits, `_` and `-`.
    ///
    /// # Errors
    /// If they are not.
    pub fn new(names: &[&str]) -> Result<Self> {
        Self {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            text_around: false,
        }
        .checked()
    }

    /// Whether text may stand before, between and after the blocks.
    #[must_use]
    pub fn with_text_around(self, text_around: bool) -> Self {
        Self {
            text_around,
            ..self
        }
    }

    fn broken(&self, response: &str) -> Option<&'static str> {
        let mut rest = response;
        for name in &self.names {
            let (open, close) = (format!("<{name}>"), format!("</{name}>"));
            let once = |tag: &str| response.matches(tag).take(2).count() == 1;
            if !once(&open) || !once(&close) {
                return Some("exactly one block of each tag");
            }
            let Some((before, inside)) = rest.split_once(&open) else {
                return Some("the order of the tags");
            };
            let Some((_, after)) = inside.split_once(&close) else {
                return Some("a tag that is opened is closed");
            };
            if !self.text_around && !before.trim().is_empty() {
                return Some("no text outside of the tags");
            }
            rest = after;
        }
        let outside = !self.text_around && !rest.trim().is_empty();
        outside.then_some("no text outside of the tags")
    }
}

impl Checked for Tags {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let plain = |name: &String| {
            let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            (1..=MOST).contains(&name.len()) && name.bytes().all(letters)
        };
        let bad = self
            .names
            .iter()
            .enumerate()
            .find(|(at, name)| !plain(name) || self.names[..*at].contains(name) || *at >= MOST);
        let value = match bad {
            Some((_, name)) => name.chars().take(MOST + 1).collect(),
            None if self.names.is_empty() => "empty".to_owned(),
            None => return Ok(()),
        };
        Err(RlRewardsError::OutOfRange {
            field: "names",
            value,
            allowed: "1 to 32 different names of 1 to 32 ASCII letters, digits, `_` and `-`",
        })
    }
}

impl Verifier for Tags {
    fn verify(&self, response: &str, _: &str) -> Verdict {
        match self.broken(response) {
            None => Verdict::right(),
            Some(rule) => Verdict::wrong(Reason::Broken(rule)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_block_of_each_in_order() {
        let tags = Tags::think_then_answer();
        let right = |text: &str| tags.verify(text, "").is_right();
        assert!(right(" <think>a</think> <answer>b</answer>\n"));
        for text in [
            "",
            "<think>a</think>",
            "<answer>b</answer><think>a</think>",
            "<think>a<answer>b</answer></think>",
            "x<think>a</think><answer>b</answer>",
            "<think>a</think>x<answer>b</answer>",
            "<think>a</think><answer>b</answer>x",
            "<think>a</think><answer>b</answer><answer>c</answer>",
            "<think>a<think>b</think><answer>c</answer>",
            "</think><think><answer>c</answer>",
        ] {
            assert!(!right(text), "{text}");
        }
        let loose = tags.clone().with_text_around(true);
        assert!(
            loose
                .verify("so <think>a</think>x<answer>b</answer>.", "")
                .is_right()
        );
        assert!(Tags::new(&["plan"]).is_ok());
        for names in [&[][..], &[""], &["a b"], &["a", "a"], &["é"]] {
            assert!(Tags::new(names).is_err(), "{names:?}");
        }
    }
}
