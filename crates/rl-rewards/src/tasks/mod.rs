//! Puzzles with exact solvers that write how they search: training texts with a set number of wrong turns, and what they are checked by.
//!
//! | puzzle | difficulty | verifier |
//! |---|---|---|
//! | [`CountdownPuzzle`] | count and size of the numbers, the target | [`Countdown`](crate::verify::Countdown) |
//! | [`SudokuPuzzle`] | side and blanks | [`Sudoku`](crate::verify::Sudoku) |
//! | [`OperatorPuzzle`] | count and size of the numbers | [`Solves`] |
//! | [`ListPuzzle`] | steps of the function | [`Solves`] |
//! | [`ZebraPuzzle`] | houses and kinds | [`Solves`] |
//! | [`SelfReferencePuzzle`] | statements | [`Solves`] |
//!
//! A [`Trace`] is made of any [`Puzzle`], one of your own among them: the moves of a solution, a search depth first, or a solution with `k` wrong turns; then
//! shuffled, or with other moves in the same structure.

mod countdown;
mod list_function;
mod operators;
mod puzzle;
mod self_reference;
mod solves;
mod sudoku;
mod trace;
mod zebra;

pub use countdown::{Combined, CountdownPuzzle, Nearness, Operation};
pub use list_function::{ListExample, ListPuzzle, ListStep};
pub use operators::{Operator, OperatorPuzzle};
pub use puzzle::Puzzle;
pub use self_reference::{SelfReferencePuzzle, Statement};
pub use solves::{Readable, Solves};
pub use sudoku::{Placed, SudokuPuzzle};
pub use trace::{Event, Trace};
pub use zebra::{Clue, Housed, Value, ZebraPuzzle};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::verify::Verifier;

    /// What every puzzle keeps to: the solver solves it, traces come to the solution, and the verifier takes it and no other.
    fn whole<P>(puzzle: &P, rng: &mut ChaCha8Rng) -> usize
    where
        P: Readable + serde::Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
        P::Move: std::fmt::Debug,
    {
        let verifier = Solves::<P>::default();
        let reference = puzzle.reference();
        assert_eq!(&serde_json::from_str::<P>(&reference).unwrap(), puzzle);
        assert!(!puzzle.prompt().is_empty());
        let search = Trace::depth_first(puzzle, 1 << 20).unwrap();
        let solution = search.last();
        assert!(puzzle.is_solved(&solution), "{puzzle:?}");
        assert!(puzzle.moves(&solution).is_empty());
        assert_eq!(
            puzzle.read(&puzzle.answer(&solution)),
            Some(solution.clone())
        );
        assert!(verifier.verify(&search.text(puzzle), &reference).is_right());
        let mut turns = 0;
        for k in [0, 1, 3] {
            let trace = Trace::with_backtracks(puzzle, &solution, k, rng).unwrap();
            assert!(trace.backtracks() <= k && trace.last() == solution);
            turns += trace.backtracks();
            let text = trace.text(puzzle);
            assert!(verifier.verify(&text, &reference).is_right());
            assert_eq!(text.lines().count(), trace.events().len() + 1);
            let misled = trace.misleading(puzzle, 0.0, rng).unwrap();
            assert_eq!(misled.backtracks() + misled.steps(), misled.events().len());
        }
        for nonsense in [
            "",
            "\\boxed{}",
            "<answer>?</answer>",
            "0",
            "true",
            "x 9999999999999999999999",
        ] {
            assert!(!verifier.verify(nonsense, &reference).is_right());
        }
        let long = "true ".repeat(100_000);
        assert!(!verifier.verify(&long, &reference).is_right());
        assert!(!verifier.verify(&puzzle.answer(&solution), "{}").is_right());
        turns
    }

    #[test]
    fn every_puzzle_is_solved_written_and_checked() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let mut turns = [0; 4];
        for _ in 0..30 {
            turns[0] += whole(&OperatorPuzzle::draw(5, 9, &mut rng).unwrap(), &mut rng);
            turns[1] += whole(&ListPuzzle::draw(2, 3, &mut rng).unwrap(), &mut rng);
            turns[2] += whole(&ZebraPuzzle::draw(4, 3, &mut rng).unwrap(), &mut rng);
            turns[3] += whole(&SelfReferencePuzzle::draw(6, &mut rng).unwrap(), &mut rng);
        }
        // Of 120 that were asked for: puzzles whose clues decide each move have none.
        assert!(turns[0] == 120 && turns[1] == 120, "{turns:?}");
        assert!(turns[2] > 60 && turns[3] > 40, "{turns:?}");
    }

    #[test]
    fn statements_about_each_other() {
        // Two that deny each other have two ways, one that denies itself none.
        assert!(
            SelfReferencePuzzle::new(vec![Statement::IsFalse(2), Statement::IsFalse(1)]).is_err()
        );
        assert!(
            SelfReferencePuzzle::new(vec![Statement::IsFalse(1), Statement::IsTrue(2)]).is_err()
        );
        assert!(
            SelfReferencePuzzle::new(vec![Statement::IsFalse(3), Statement::IsTrue(2)]).is_err()
        );
        let list = (1..=10)
            .map(|count| Statement::Exactly(10 - count))
            .collect();
        let puzzle = SelfReferencePuzzle::new(list).unwrap();
        let search = Trace::depth_first(&puzzle, 10_000).unwrap();
        // Exactly one of ten that contradict each other is true: the one that says so.
        let truths = search.last();
        assert_eq!(truths.iter().position(|truth| *truth), Some(8));
        assert_eq!(truths.iter().filter(|truth| **truth).count(), 1);
    }

    #[test]
    fn functions_of_lists() {
        let list = [3, 1, 2, 2];
        for (step, expected) in [
            (ListStep::Reverse, vec![2, 2, 1, 3]),
            (ListStep::Sort, vec![1, 2, 2, 3]),
            (ListStep::DropFirst, vec![1, 2, 2]),
            (ListStep::DropLast, vec![3, 1, 2]),
            (ListStep::AddOne, vec![4, 2, 3, 3]),
            (ListStep::Double, vec![6, 2, 4, 4]),
            (ListStep::KeepEven, vec![2, 2]),
            (ListStep::KeepOdd, vec![3, 1]),
            (ListStep::Distinct, vec![3, 1, 2]),
            (ListStep::RunningSum, vec![3, 4, 6, 8]),
        ] {
            assert_eq!(step.apply(&list), expected);
            let _ = step.apply(&[]);
            let _ = step.apply(&[i64::MAX, i64::MAX, i64::MIN]);
        }
    }

    #[test]
    fn products_bind_more() {
        let puzzle = OperatorPuzzle::new(vec![2, 3, 4, 5], 2 + 3 * 4 - 5).unwrap();
        let right = [Operator::Plus, Operator::Times, Operator::Minus];
        assert!(puzzle.is_solved(&right));
        assert_eq!(puzzle.answer(&right), "2+3*4-5=9");
        assert_eq!(puzzle.read("2 + 3 * 4 - 5"), Some(right.to_vec()));
        for wrong in [
            "2+3*4",
            "2+3*4-5+1",
            "2+3x4-5",
            "+2+3*4-5",
            "2+3*4-6",
            "é2+3*4-5",
            "2é3*4-5",
        ] {
            assert_eq!(puzzle.read(wrong), None, "{wrong}");
        }
        let large = OperatorPuzzle::new(vec![1000; 10], i64::MAX).unwrap();
        assert!(large.is_solved(&[Operator::Times; 9]));
        assert!(
            OperatorPuzzle::new(vec![1], 1).is_err()
                && OperatorPuzzle::new(vec![-1, 2], 1).is_err()
        );
    }

    /// Each value has a house by the clues alone, and none of these can be left out.
    #[test]
    fn clues_are_as_few_as_can_be() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let puzzle = ZebraPuzzle::draw(5, 4, &mut rng).unwrap();
        for left_out in 0..puzzle.clues().len() {
            let mut fewer = puzzle.clues().to_vec();
            fewer.remove(left_out);
            assert!(ZebraPuzzle::new(5, 4, fewer).is_err());
        }
        let value = Value { kind: 0, which: 0 };
        assert!(ZebraPuzzle::new(2, 1, vec![Clue::At(value, 0)]).is_ok());
        let unknown = Value { kind: 1, which: 0 };
        assert!(ZebraPuzzle::new(2, 1, vec![Clue::At(unknown, 0)]).is_err());
        assert!(ZebraPuzzle::new(6, 1, vec![]).is_err());
    }
}
