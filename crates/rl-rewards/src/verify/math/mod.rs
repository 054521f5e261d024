//! Mathematical answers.

mod answer;
mod compare;
mod equality;
mod evaluate;
mod exact;
mod expression;
mod flex;
mod gsm8k;
mod hendrycks;
mod lexer;
mod minerva;
mod number;
mod operands;
mod structure;
mod symbols;
mod token;

pub use answer::MathAnswer;
pub use equality::math_equal;
pub use flex::MathFlex;
pub use gsm8k::Gsm8k;
pub use hendrycks::{hendrycks_equal, hendrycks_normalize};
pub use minerva::minerva_normalize;
