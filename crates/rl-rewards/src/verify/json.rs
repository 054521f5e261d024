//! # Json
//!
//! Whether a response is valid JSON.
//!
//! Source: IFEval (Zhou et al. 2023, arXiv 2311.07911), the JSON format; the grammar is RFC 8259

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::verdict::{Reason, Verdict, Verifier};

/// The whole response is one JSON value; fences of Markdown around it are left out where `fences` is true (the default). NaN and the
/// infinities, which Python's reader takes, are no JSON. The reference is not used.
///
/// ```
/// use regimen_rl_rewards::verify::{Json, Verifier};
///
/// assert!(Json::default().verify("```json\n{\"x\": [1, 2]}\n```", "").is_right());
/// assert!(!Json::default().verify("{x: 1}", "").is_right());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Json {
    fences: bool,
}

impl Default for Json {
    fn default() -> Self {
        Self::new(true)
    }
}

impl Json {
    /// Whether fences of Markdown may stand around the value.
    #[must_use]
    pub fn new(fences: bool) -> Self {
        Self { fences }
    }
}

/// Whether a text is one JSON value.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// What stands between the fences of a text that begins and ends with them.
pub(super) fn without_fences(text: &str) -> &str {
    let text = text.trim();
    let inside = text.strip_prefix("```").and_then(|t| t.strip_suffix("```"));
    let Some(inside) = inside else {
        return text;
    };
    let named = inside.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    named.trim()
}

impl Verifier for Json {
    fn verify(&self, response: &str, _: &str) -> Verdict {
        let text = if self.fences {
            without_fences(response)
        } else {
            response
        };
        Verdict::of(is_json(text), Reason::Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_what_is_none() {
        let right = |text: &str| Json::default().verify(text, "").is_right();
        assert!(right(" [1, {\"a\": null}] ") && right("\"x\"") && right("```\n1\n```"));
        assert!(!right("") && !right("{") && !right("NaN") && !right("1 2") && !right("```json"));
        assert!(!Json::new(false).verify("```json\n1\n```", "").is_right());
        // Deep nesting neither recurses nor takes memory beyond its length.
        let deep = "[".repeat(1_000_000);
        assert!(!right(&deep));
        assert!(!right(&format!("{deep}{}", "}".repeat(1_000_000))));
    }
}
