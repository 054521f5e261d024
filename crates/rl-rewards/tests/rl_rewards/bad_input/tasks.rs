//! Absurd puzzles and traces.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::tasks::{
    Clue, CountdownPuzzle, ListExample, ListPuzzle, ListStep, Nearness, OperatorPuzzle, Puzzle,
    Readable, SelfReferencePuzzle, Solves, Statement, SudokuPuzzle, Trace, Value, ZebraPuzzle,
};
use regimen_rl_rewards::verify::Verifier;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

#[test]
fn puzzles() {
    let mut h = Hostile::new("rl-rewards puzzles");
    let rng = || ChaCha8Rng::seed_from_u64(0);
    let sudoku = SudokuPuzzle::new("..23 .... .3.1 .4..").unwrap();
    for n in COUNTS {
        let long = n as u64;
        h.input(format_args!("CountdownPuzzle {n}"), || {
            assert!(Nearness::Multiply.of(&[long], 30).is_finite());
            let puzzle = CountdownPuzzle::new(vec![long, 3], long)?;
            Trace::depth_first(&puzzle, 50)
        });
        h.input(format_args!("countdown of {n}"), || {
            CountdownPuzzle::draw(n, 9, 1..=100, &mut rng())?;
            CountdownPuzzle::draw(2, long, 0..=long, &mut rng())
        });
        h.input(format_args!("sudoku of {n}"), || {
            SudokuPuzzle::draw(n, 3, &mut rng())?;
            Ok::<(), regimen_rl_rewards::RlRewardsError>(())
        });
        h.input(format_args!("blanks {n}"), || {
            SudokuPuzzle::draw(4, n, &mut rng())
        });
        h.input(format_args!("zebra of {n}"), || {
            let value = Value { kind: n, which: n };
            ZebraPuzzle::new(2, 1, vec![Clue::At(value, n)])
                .or_else(|_| ZebraPuzzle::draw(n, 2, &mut rng()))
                .or_else(|_| ZebraPuzzle::draw(2, n, &mut rng()))
        });
        h.input(format_args!("lists of {n}"), || {
            ListPuzzle::draw(n, 2, &mut rng())?;
            ListPuzzle::draw(1, n, &mut rng())
        });
        h.input(format_args!("operators of {n}"), || {
            let number = i64::try_from(n).unwrap_or(i64::MIN);
            let _ = ListStep::RunningSum.apply(&[number, i64::MAX, number]);
            OperatorPuzzle::new(vec![number, 1], number)?;
            OperatorPuzzle::draw(n, 9, &mut rng())
        });
        h.input(format_args!("statements of {n}"), || {
            SelfReferencePuzzle::new(vec![Statement::Exactly(n), Statement::Alike(n, 1)])
                .or_else(|_| SelfReferencePuzzle::draw(n, &mut rng()))
        });
        h.input(format_args!("backtracks {n}"), || {
            let solution = sudoku.solution();
            Trace::with_backtracks(&sudoku, &solution, n.min(70_000), &mut rng())?;
            Trace::depth_first(&sudoku, n)
        });
        h.input(format_args!("back of {n}"), || {
            let _ = (sudoku.back(&[], n), sudoku.prompt());
            ListPuzzle::new(
                vec![ListExample {
                    from: vec![1],
                    to: vec![1],
                }],
                n,
            )
        });
    }
    for a in NUMBERS {
        h.input(format_args!("threshold {a}"), || {
            let puzzle = CountdownPuzzle::new(vec![3, 5, 7], 22)?;
            puzzle.with_threshold(Some(a))
        });
        h.input(format_args!("kept {a}"), || {
            let trace = Trace::direct(&sudoku.solution());
            trace.misleading(&sudoku, a, &mut rng())
        });
    }
    // Clues that contradict each other where all but the last kind are free: the solver gives up.
    h.input("contradiction", || {
        let last = |which| Value { kind: 4, which };
        let all = (0..5).map(|which| Clue::NotAt(last(0), which));
        ZebraPuzzle::new(5, 5, all.collect())
    });
    h.input("nearly empty board", || {
        SudokuPuzzle::new(&format!("12{}21{}", ".".repeat(70), ".".repeat(7)))
    });
    h.input("answers", || {
        let puzzle = OperatorPuzzle::new(vec![3, 5, 2], 13)?;
        for answer in ["", "=", "3+5*2", "é+5*2", "3+", "3+5*2*2", "3+5*2=\u{0}"] {
            let _ = puzzle.read(answer);
            let verdict = Solves::<OperatorPuzzle>::default().verify(answer, &puzzle.reference());
            assert!(verdict.score == 0.0 || verdict.score == 1.0);
        }
        Ok::<(), regimen_rl_rewards::RlRewardsError>(())
    });
    h.finish();
}
