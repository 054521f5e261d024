//! # AnyVerifier
//!
//! Every verifier of the crate as one type, to keep in a file.
//!
//! Source: Regimen's own, as `AnySchedule` of regimen-schedules

use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::constraints::Instructions;
use super::countdown::Countdown;
use super::json::Json;
use super::math::{Gsm8k, MathAnswer, MathFlex};
use super::sudoku::Sudoku;
use super::tags::Tags;
use super::text::TextMatch;
use super::token_f1::TokenF1;
use super::verdict::{Verdict, Verifier};

/// Any verifier of the crate. In a file it is a map whose `verifier` names the variant in snake case.
///
/// ```
/// use regimen_rl_rewards::verify::{AnyVerifier, Verifier};
///
/// let verifier: AnyVerifier = serde_json::from_str(r#"{ "verifier": "choice", "options": 4 }"#)?;
/// assert!(verifier.verify("(B)", "B").is_right());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verifier", rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is the type of its name")]
pub enum AnyVerifier {
    MathAnswer(MathAnswer),
    MathFlex(MathFlex),
    Gsm8k(Gsm8k),
    Choice(Choice),
    TextMatch(TextMatch),
    TokenF1(TokenF1),
    Tags(Tags),
    Json(Json),
    Instructions(Instructions),
    Countdown(Countdown),
    Sudoku(Sudoku),
}

macro_rules! variants {
    ($($name:ident),* $(,)?) => {
        impl Verifier for AnyVerifier {
            fn verify(&self, response: &str, reference: &str) -> Verdict {
                match self {
                    $(Self::$name(verifier) => verifier.verify(response, reference),)*
                }
            }
        }

        $(impl From<$name> for AnyVerifier {
            fn from(verifier: $name) -> Self {
                Self::$name(verifier)
            }
        })*
    };
}

variants!(
    MathAnswer,
    MathFlex,
    Gsm8k,
    Choice,
    TextMatch,
    TokenF1,
    Tags,
    Json,
    Instructions,
    Countdown,
    Sudoku,
);
