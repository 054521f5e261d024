//! Query policies for a fixed, small budget that are good on every difficulty at once: how hard a problem is, levels of difficulty, noisy questions, and
//! the game against an adversary that finds the prior of the policy.

pub mod complexity;
pub mod levels;
pub mod questions;
pub mod robust_prior;

pub use complexity::Hypotheses;
pub use levels::Levels;
pub use questions::{NoisyQuestions, QuestionTable};
pub use robust_prior::{Ascent, RobustPriorConfig, softmax_gradient};
