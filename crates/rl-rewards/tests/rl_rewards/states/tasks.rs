//! Puzzles, their moves and their traces.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::tasks::{
    Clue, CountdownPuzzle, Event, Housed, ListExample, ListPuzzle, ListStep, Nearness, Operation,
    Operator, OperatorPuzzle, Placed, Puzzle, SelfReferencePuzzle, Statement, SudokuPuzzle, Trace,
    Value, ZebraPuzzle,
};
use serde::de::DeserializeOwned;

use super::state::{State, read, state};

/// Reads a puzzle, and searches and writes it.
fn searched<P: Puzzle + DeserializeOwned>(text: &str) -> Result<(), String> {
    let puzzle = read::<P>(text)?;
    let trace = Trace::depth_first(&puzzle, 200).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let _ = (puzzle.prompt(), puzzle.reference(), trace.text(&puzzle));
    let solution = trace.last();
    if puzzle.is_solved(&solution) {
        let turned = Trace::with_backtracks(&puzzle, &solution, 2, &mut rng).unwrap();
        let misled = turned.misleading(&puzzle, 0.5, &mut rng).unwrap();
        let _ = misled.shuffled(&mut rng).text(&puzzle);
    }
    Ok(())
}

/// Reads moves and gives them to a puzzle that they may not belong to.
fn written<P: Puzzle>(puzzle: &P, text: &str) -> Result<(), String>
where
    P::Move: DeserializeOwned,
{
    let step = read::<P::Move>(text)?;
    let trace = Trace::direct(&[step.clone(), step]);
    let _ = (trace.text(puzzle), puzzle.is_solved(&trace.last()));
    let _ = puzzle.moves(&trace.last());
    Ok(())
}

fn countdown() -> CountdownPuzzle {
    CountdownPuzzle::new(vec![3, 5, 7], 22).unwrap()
}

fn sudoku() -> SudokuPuzzle {
    SudokuPuzzle::new("..23 .... .3.1 .4..").unwrap()
}

fn zebra() -> ZebraPuzzle {
    ZebraPuzzle::draw(3, 2, &mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

fn lists() -> ListPuzzle {
    ListPuzzle::draw(2, 2, &mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

fn operators() -> OperatorPuzzle {
    OperatorPuzzle::new(vec![3, 5, 2], 13).unwrap()
}

fn statements() -> SelfReferencePuzzle {
    SelfReferencePuzzle::draw(4, &mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

pub(super) fn all() -> Vec<State> {
    let value = Value { kind: 0, which: 1 };
    vec![
        state("CountdownPuzzle", &countdown(), searched::<CountdownPuzzle>),
        state("SudokuPuzzle", &sudoku(), searched::<SudokuPuzzle>),
        state("ZebraPuzzle", &zebra(), searched::<ZebraPuzzle>),
        state("ListPuzzle", &lists(), searched::<ListPuzzle>),
        state("OperatorPuzzle", &operators(), searched::<OperatorPuzzle>),
        state(
            "SelfReferencePuzzle",
            &statements(),
            searched::<SelfReferencePuzzle>,
        ),
        state("Combined", &countdown().solution().unwrap()[0], |text| {
            written(&countdown(), text)
        }),
        state("Operation", &Operation::Divide, |text| {
            read::<Operation>(text).map(drop)
        }),
        state("Nearness", &Nearness::Multiply, |text| {
            assert!(read::<Nearness>(text)?.of(&[3], 22).is_finite());
            Ok(())
        }),
        state("Placed", &Placed { cell: 3, digit: 2 }, |text| {
            written(&sudoku(), text)
        }),
        state("Housed", &Housed { value, house: 1 }, |text| {
            written(&zebra(), text)
        }),
        state("Value", &value, |text| {
            let _ = read::<Value>(text)?.to_string();
            Ok(())
        }),
        state("Clue", &Clue::At(value, 1), |text| {
            let found = ZebraPuzzle::new(2, 1, vec![read::<Clue>(text)?]);
            found.map(drop).map_err(|error| error.to_string())
        }),
        state("Statement", &Statement::Alike(1, 2), |text| {
            let all = vec![read::<Statement>(text)?, Statement::Exactly(1)];
            let found = SelfReferencePuzzle::new(all);
            found.map(drop).map_err(|error| error.to_string())
        }),
        state("Operator", &Operator::Times, |text| {
            written(&operators(), text)
        }),
        state("ListStep", &ListStep::Sort, |text| written(&lists(), text)),
        state(
            "ListExample",
            &ListExample {
                from: vec![1, 2],
                to: vec![2],
            },
            |text| {
                let found = ListPuzzle::new(vec![read::<ListExample>(text)?], 2);
                found.map(drop).map_err(|error| error.to_string())
            },
        ),
        state("Event", &Event::<bool>::Back(3), |text| {
            read::<Event<bool>>(text).map(drop)
        }),
        state(
            "Trace",
            &Trace::depth_first(&sudoku(), 30).unwrap(),
            |text| {
                let trace = read::<Trace<Placed>>(text)?;
                let _ = (trace.text(&sudoku()), trace.steps(), trace.backtracks());
                Ok(())
            },
        ),
    ]
}
