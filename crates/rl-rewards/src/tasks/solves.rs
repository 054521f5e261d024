//! # Solves
//!
//! Whether an answer solves a puzzle, read and checked by the puzzle itself.
//!
//! Source: Regimen's own.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::puzzle::Puzzle;
use crate::verify::{Extract, Reason, Verdict, Verifier};

/// The longest answer and the longest reference, in bytes.
const LONGEST: usize = 4096;
const LONGEST_REFERENCE: usize = 1 << 16;

/// A puzzle whose answers are read as moves.
pub trait Readable: Puzzle {
    /// The moves that an answer names; none where it can't be read.
    fn read(&self, answer: &str) -> Option<Vec<Self::Move>>;
}

/// The verifier of a puzzle that is [`Readable`]: the reference is the puzzle in JSON, the answer is in the last box, the answer tags, or
/// the last line. Any solution is right, not that of the solver alone.
///
/// ```
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
/// use regimen_rl_rewards::tasks::{OperatorPuzzle, Puzzle, Solves};
/// use regimen_rl_rewards::verify::Verifier;
///
/// let puzzle = OperatorPuzzle::new(vec![3, 5, 2], 13)?;
/// let verifier = Solves::<OperatorPuzzle>::default();
/// assert!(verifier.verify("<answer>3+5*2=13</answer>", &puzzle.reference()).is_right());
/// assert!(!verifier.verify("<answer>3*5-2=13</answer>", &OperatorPuzzle::new(vec![3, 5, 2], 17)?.reference()).is_right());
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solves<P>(PhantomData<fn() -> P>);

impl<P> Default for Solves<P> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<P: Readable + DeserializeOwned> Verifier for Solves<P> {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        let puzzle = (reference.len() <= LONGEST_REFERENCE)
            .then(|| serde_json::from_str::<P>(reference).ok())
            .flatten();
        let Some(puzzle) = puzzle else {
            return Verdict::wrong(Reason::Reference);
        };
        let places = [Extract::Boxed, Extract::AnswerTags];
        let found = Extract::first(&places, response).or_else(|| {
            let mut lines = response.rsplit('\n').map(str::trim);
            lines.find(|line| !line.is_empty())
        });
        match found {
            None => Verdict::wrong(Reason::NoAnswer),
            Some(answer) if answer.len() > LONGEST => Verdict::wrong(Reason::TooLarge),
            Some(answer) => match puzzle.read(answer) {
                None => Verdict::wrong(Reason::Unreadable),
                Some(moves) if puzzle.is_solved(&moves) => Verdict::right(),
                Some(_) => Verdict::wrong(Reason::Different),
            },
        }
    }
}

/// A puzzle in JSON: the reference of its verifier.
pub(super) fn json(puzzle: &impl serde::Serialize) -> String {
    // A struct of lists and numbers has no text that can't be written.
    serde_json::to_string(puzzle).unwrap_or_default()
}
