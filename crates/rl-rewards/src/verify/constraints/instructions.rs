//! # Instructions
//!
//! The share of a prompt's constraints that its response keeps to.
//!
//! Source: TÜLU 3 (arXiv 2411.15124): IFEval-style rewards, and the satisfied fraction for several constraints

use serde::{Deserialize, Serialize};

use super::constraint::Constraint;
use crate::verify::extract::after_thinking;
use crate::verify::verdict::{Reason, Verdict, Verifier};

/// The reference is the JSON of one [`Constraint`] or of a list of them.
///
/// Before they are checked, text up to the last `</think>` and the answer tags themselves are taken out, and white space at the ends.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `all` | false | whether all must be met for a score, in place of the share |
///
/// ```
/// use regimen_rl_rewards::verify::{Instructions, Verifier};
///
/// let reference = r#"[{"func_name": "validate_no_commas"}, {"func_name": "validate_lowercase"}]"#;
/// let verdict = Instructions::default().verify("<think>,</think> No commas", reference);
/// assert_eq!(verdict.to_string(), "0.5 (1 of 2 demands are met)");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instructions {
    all: bool,
}

impl Instructions {
    /// All constraints must be met.
    #[must_use]
    pub fn all() -> Self {
        Self { all: true }
    }

    /// The verdict by constraints that have been read already.
    #[must_use]
    pub fn judge(&self, response: &str, constraints: &[Constraint]) -> Verdict {
        let text = after_thinking(response);
        let text = text.replace("<answer>", "").replace("</answer>", "");
        let text = text.trim();
        let met = constraints.iter().filter(|one| one.is_met(text)).count();
        let mut verdict = Verdict::share(met, constraints.len());
        if self.all && !verdict.is_right() {
            verdict.score = 0.0;
        }
        verdict
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(Constraint),
    More(Vec<Constraint>),
}

impl Verifier for Instructions {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        match serde_json::from_str(reference) {
            Ok(OneOrMore::One(constraint)) => self.judge(response, &[constraint]),
            Ok(OneOrMore::More(constraints)) => self.judge(response, &constraints),
            Err(_) => Verdict::wrong(Reason::Reference),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_several_and_none() {
        let one = r#"{"func_name": "validate_no_commas"}"#;
        let two = r#"[{"func_name": "validate_no_commas"}, {"func_name": "validate_quotation"}]"#;
        let share = Instructions::default();
        assert!(share.verify("<answer>a</answer>", one).is_right());
        assert!(share.verify("a,b</think>a", one).is_right());
        assert_eq!(share.verify("a", two).score, 0.5);
        assert_eq!(Instructions::all().verify("a", two).score, 0.0);
        assert!(
            Instructions::all()
                .verify("<answer>\"a\"</answer>", two)
                .is_right()
        );
        assert!(share.verify("a", "[]").is_right());
        assert_eq!(share.verify("a", "no commas").reason, Reason::Reference);
    }
}
