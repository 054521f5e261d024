//! What a search over a puzzle needs to know.

use rand::Rng;

/// A puzzle that is solved by moves, one after another.
///
/// A [`Trace`](super::Trace) is made of any puzzle; implement it for one of your own.
pub trait Puzzle {
    /// A move.
    type Move: Clone + PartialEq;

    /// The moves that may come after these, in the order in which a search tries them; none where there is nothing to do: the puzzle is solved, or
    /// the way is a dead end.
    fn moves(&self, so_far: &[Self::Move]) -> Vec<Self::Move>;

    /// Whether these moves solve it.
    fn is_solved(&self, moves: &[Self::Move]) -> bool;

    /// The line of a move after others.
    fn line(&self, so_far: &[Self::Move], next: &Self::Move) -> String;

    /// The line that goes back to the first `kept` of the moves.
    fn back(&self, so_far: &[Self::Move], kept: usize) -> String;

    /// The answer that these moves come to, as the puzzle's verifier reads it.
    fn answer(&self, moves: &[Self::Move]) -> String;

    /// A move of the same form that is not this one, for traces that are wrong on purpose.
    fn wrong(&self, right: &Self::Move, rng: &mut dyn Rng) -> Self::Move;

    /// The puzzle as a prompt.
    fn prompt(&self) -> String;

    /// The reference for the puzzle's verifier.
    fn reference(&self) -> String;
}
