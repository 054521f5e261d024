//! Verifiers: programs that check what a model wrote.
//!
//! | what is checked | verifier |
//! |---|---|
//! | a mathematical answer | [`MathAnswer`], [`MathFlex`], [`Gsm8k`]; [`math_equal`] for two answers |
//! | a choice of a letter | [`Choice`] |
//! | a text, exactly, nearly, by words | [`TextMatch`], [`TokenF1`] |
//! | the form of a response | [`Tags`], [`Json`], [`Instructions`] |
//! | a puzzle | [`Countdown`], [`Sudoku`] |
//!
//! All implement [`Verifier`]; [`AnyVerifier`] is any of them, to keep in a file.

mod any;
mod choice;
mod constraints;
mod countdown;
mod extract;
mod json;
mod math;
mod sudoku;
mod tags;
mod text;
mod token_f1;
mod verdict;

pub use any::AnyVerifier;
pub use choice::Choice;
pub use constraints::{Constraint, Instructions, Quantifier};
pub use countdown::{Countdown, CountdownForm};
pub use extract::{
    Extract, NumberRule, after_hashes, after_thinking, announced, final_answer, last_boxed,
    last_formula, last_number, tagged,
};
pub use json::Json;
pub use math::{
    Gsm8k, MathAnswer, MathFlex, hendrycks_equal, hendrycks_normalize, math_equal,
    minerva_normalize,
};
pub use sudoku::Sudoku;
pub use tags::Tags;
pub use text::{LONGEST_FUZZY, TextForm, TextMatch, squad_normalize};
pub use token_f1::TokenF1;
pub use verdict::{LONGEST_ANSWER, Reason, Verdict, Verifier};
