//! The task `sudoku`: boards of 4 by 4 with one solution, filled at once, or by a search of which each try is a line.
//!
//! A prompt is a line of 16 cells, a response the same cells in the same columns. In a search a line ends where no digit fits, and the next one copies
//! the board up to the cell that is revised, changes it, and goes on. A digit after which larger ones are still to be tried is written by a token of its
//! own, as the searches of the papers mark a guess. The 288 grids are 12 up to the names of the digits: three of these classes are held out.

use std::ops::RangeInclusive;

use rand::RngExt;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, End};
use regimen_rl_rewards::tasks::{Event, Placed, Puzzle, SudokuPuzzle, Trace};
use regimen_rl_rewards::verify::{Sudoku as Verify, Verifier};

use super::symbols::{BLANK, END, LETTERS, NEWLINE};
use super::task::{Part, Task};

/// Cells of a board.
pub const CELLS: usize = 16;

/// Tokens of a direct answer: its cells and the end.
pub const DIRECT: usize = CELLS + 1;

/// Lines of a response at most.
pub const LINES: usize = 16;

/// Classes of grids up to the names of the digits, and how many are held out.
const CLASSES: usize = 12;
const HELD_OUT: usize = 3;

/// What a demonstration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The solution.
    Direct,
    /// A search depth first, the smallest digit first.
    Search,
    /// A search without its wrong parts, its guesses marked.
    Cut,
    /// The solution with so many wrong turns, or as many as the board offers.
    Detours(usize),
    /// The same, its lines in another order.
    Shuffled(usize),
}

/// The task: boards with as many blanks, and what is shown of them.
#[derive(Clone, Debug)]
pub struct Sudoku {
    blanks: RangeInclusive<usize>,
    form: Form,
    lines: usize,
    /// The classes that are held out, the same for all seeds.
    apart: Vec<Vec<u8>>,
}

impl Sudoku {
    /// Boards with as many blanks, 11 at most: few boards have more.
    #[must_use]
    pub fn new(blanks: RangeInclusive<usize>, form: Form) -> Self {
        let lines = match form {
            Form::Direct | Form::Cut => 1,
            _ => LINES,
        };
        Self {
            blanks,
            form,
            lines,
            apart: held_out(),
        }
    }

    /// Responses of so many lines at most.
    #[must_use]
    pub fn with_lines(self, lines: usize) -> Self {
        Self { lines, ..self }
    }

    fn mark(&self) -> Mark {
        match self.form {
            Form::Direct => Mark::Nothing,
            Form::Search | Form::Cut => Mark::Larger,
            Form::Detours(_) | Form::Shuffled(_) => Mark::Others,
        }
    }

    /// The trace that a demonstration writes.
    fn trace(&self, board: &SudokuPuzzle, rng: &mut ChaCha8Rng) -> Option<Trace<Placed>> {
        match self.form {
            Form::Direct | Form::Cut => Some(Trace::direct(&board.solution())),
            Form::Search => Trace::depth_first(board, CELLS * LINES).ok(),
            Form::Detours(count) | Form::Shuffled(count) => {
                Trace::with_backtracks(board, &board.solution(), count, rng).ok()
            }
        }
    }

    /// Digits in blanks of a response that row, column and block allow, and all digits in blanks.
    #[must_use]
    pub fn legal(board: &SudokuPuzzle, completion: &Completion) -> (usize, usize) {
        let (mut legal, mut all) = (0, 0);
        for line in completion.content().split(|token| *token == NEWLINE) {
            let mut path = Vec::new();
            for (cell, token) in line.iter().enumerate().take(CELLS) {
                if board.cells()[cell] != 0 {
                    continue;
                }
                all += 1;
                let digit = digit(*token).unwrap_or_default();
                let placed = Placed { cell, digit };
                let fits = board.moves(&path).contains(&placed);
                legal += usize::from(fits);
                path.push(placed);
            }
        }
        (legal, all)
    }

    /// Whether a line anywhere in a response is the solution, as a verifier of each line would find.
    #[must_use]
    pub fn comes_upon(board: &SudokuPuzzle, completion: &Completion) -> bool {
        let mut lines = completion.content().split(|token| *token == NEWLINE);
        lines.any(|line| Self::solves(board, line))
    }

    /// Whether the given line is the board's solution.
    #[must_use]
    pub fn solves(board: &SudokuPuzzle, line: &[u32]) -> bool {
        let digits: Option<String> = line
            .iter()
            .map(|token| digit(*token).map(|digit| char::from(b'0' + digit)))
            .collect();
        line.len() == CELLS
            && digits.is_some_and(|text| Verify::new().verify(&text, &board.reference()).is_right())
    }
}

impl Task for Sudoku {
    type Problem = SudokuPuzzle;
    type Level = usize;

    fn draw(&self, part: Part, rng: &mut ChaCha8Rng) -> SudokuPuzzle {
        loop {
            let blanks = rng.random_range(self.blanks.clone());
            let Ok(board) = SudokuPuzzle::draw(4, blanks, rng) else {
                continue;
            };
            let is_apart = self.apart.contains(&class(&board.board(&board.solution())));
            if is_apart == (part == Part::HeldOut) {
                return board;
            }
        }
    }

    /// The cells and the end of the line.
    fn prompt(&self, board: &SudokuPuzzle) -> Vec<u32> {
        let cells = board.cells().iter();
        let cells = cells.map(|cell| if *cell == 0 { BLANK } else { u32::from(*cell) });
        cells.chain([NEWLINE]).collect()
    }

    fn response_length(&self) -> usize {
        DIRECT * self.lines
    }

    fn taught(&self, board: &SudokuPuzzle, rng: &mut ChaCha8Rng) -> Completion {
        let Some(trace) = self.trace(board, rng) else {
            return Completion::new(End::Truncated);
        };
        let mut lines = written(board, &trace, self.mark());
        if matches!(self.form, Form::Shuffled(_)) {
            lines.shuffle(rng);
        }
        let mut completion = Completion::new(End::EndToken);
        let mut tokens = lines.join(&NEWLINE);
        tokens.push(END);
        for token in tokens {
            // 0 is a log-probability.
            let added = completion.sampled(token, 0.0);
            debug_assert!(added.is_ok());
        }
        completion
    }

    /// The last line is the answer. By the crate's verifier.
    fn is_right(&self, board: &SudokuPuzzle, completion: &Completion) -> bool {
        let mut lines = completion.content().rsplit(|token| *token == NEWLINE);
        completion.end() == End::EndToken
            && lines.next().is_some_and(|line| Self::solves(board, line))
    }

    /// The blanks.
    fn level(&self, board: &SudokuPuzzle) -> usize {
        board.blanks()
    }
}

/// The digit that a token writes, marked or not.
fn digit(token: u32) -> Option<u8> {
    match token {
        1..=4 => Some(token as u8),
        _ => {
            let marked = token.checked_sub(LETTERS)?;
            (1..=4).contains(&marked).then_some(marked as u8)
        }
    }
}

/// Which digits are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// None.
    Nothing,
    /// Those after which larger ones are to be tried.
    Larger,
    /// Those beside which there are others.
    Others,
}

/// The lines of a trace.
fn written(board: &SudokuPuzzle, trace: &Trace<Placed>, mark: Mark) -> Vec<Vec<u32>> {
    let mut lines = Vec::new();
    let (mut line, mut path): (Vec<u32>, Vec<Placed>) = (Vec::new(), Vec::new());
    let given = |line: &mut Vec<u32>| {
        while let Some(cell) = board.cells().get(line.len()).filter(|cell| **cell != 0) {
            line.push(u32::from(*cell));
        }
    };
    for event in trace.events() {
        match event {
            Event::Step(step) => {
                given(&mut line);
                let mut others = board.moves(&path).into_iter();
                let is_open = others.any(|one| match mark {
                    Mark::Nothing => false,
                    Mark::Larger => one.digit > step.digit,
                    Mark::Others => one.digit != step.digit,
                });
                let digit = u32::from(step.digit);
                line.push(if is_open { LETTERS + digit } else { digit });
                path.push(*step);
            }
            Event::Back(kept) => {
                given(&mut line);
                lines.push(line.clone());
                line.truncate(path.get(*kept).map_or(0, |step| step.cell));
                path.truncate(*kept);
            }
        }
    }
    given(&mut line);
    lines.push(line);
    lines
}

/// A full grid with its first row renamed to 1, 2, 3, 4.
fn class(grid: &[u8]) -> Vec<u8> {
    let first: Vec<u8> = grid.iter().take(4).copied().collect();
    let name = |digit: &u8| first.iter().position(|one| one == digit).unwrap_or(0) as u8 + 1;
    grid.iter().map(name).collect()
}

/// The classes that are held out, the same for all seeds.
fn held_out() -> Vec<Vec<u8>> {
    let mut all = classes();
    all.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
    all.truncate(HELD_OUT);
    all
}

/// All classes, in order.
fn classes() -> Vec<Vec<u8>> {
    let mut open = vec![vec![1, 2, 3, 4]];
    for cell in 4..CELLS {
        let fits = |grid: &Vec<u8>, digit: u8| {
            let (row, column) = (cell / 4, cell % 4);
            !grid.iter().enumerate().any(|(at, other)| {
                let same_block = (at / 8, at % 4 / 2) == (row / 2, column / 2);
                *other == digit && (at / 4 == row || at % 4 == column || same_block)
            })
        };
        let longer = open.iter().flat_map(|grid| {
            let digits = (1..=4).filter(|digit| fits(grid, *digit));
            digits
                .map(|digit| [grid.as_slice(), &[digit]].concat())
                .collect::<Vec<_>>()
        });
        open = longer.collect();
    }
    debug_assert_eq!(open.len(), CLASSES);
    open
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_twelve_up_to_the_names_of_the_digits() {
        assert_eq!((classes().len(), held_out().len()), (CLASSES, HELD_OUT));
        let task = Sudoku::new(8..=11, Form::Direct);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for part in [Part::Training, Part::HeldOut] {
            for _ in 0..50 {
                let board = task.draw(part, &mut rng);
                let class = class(&board.board(&board.solution()));
                assert_eq!(held_out().contains(&class), part == Part::HeldOut);
                assert!(classes().contains(&class) && (8..=11).contains(&board.blanks()));
            }
        }
    }

    #[test]
    fn each_form_is_right_and_none_but_shuffled_lines_are_wrong() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut searched = 0;
        for form in [
            Form::Direct,
            Form::Search,
            Form::Cut,
            Form::Detours(1),
            Form::Detours(3),
        ] {
            let task = Sudoku::new(8..=11, form);
            for _ in 0..50 {
                let board = task.draw(Part::Training, &mut rng);
                let shown = task.taught(&board, &mut rng);
                assert!(task.is_right(&board, &shown));
                let (legal, all) = Sudoku::legal(&board, &shown);
                assert_eq!(legal, all);
                assert!(all >= board.blanks());
                let lines = shown.content().split(|token| *token == NEWLINE).count();
                searched += usize::from(form == Form::Search && lines > 1);
                assert!(lines <= LINES);
                match form {
                    Form::Direct | Form::Cut => assert_eq!((lines, shown.len()), (1, DIRECT)),
                    Form::Detours(count) => assert!(lines <= count + 1),
                    _ => {}
                }
                let mut cut = Completion::new(End::Truncated);
                for token in shown.content() {
                    cut.sampled(*token, 0.0).unwrap();
                }
                assert!(
                    !task.is_right(&board, &cut),
                    "without an end there is no answer"
                );
            }
        }
        assert!(searched > 10);
    }

    /// The revised cell is the last one that was marked, nothing before it changes, and the next line stands there with a larger digit.
    #[test]
    fn a_line_goes_on_from_the_last_guess() {
        let task = Sudoku::new(10..=11, Form::Search);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut seen = 0;
        while seen < 20 {
            let board = task.draw(Part::Training, &mut rng);
            let trace = Trace::depth_first(&board, 1000).unwrap();
            let lines = written(&board, &trace, Mark::Larger);
            for pair in lines.windows(2) {
                seen += 1;
                let mut both = pair[0].iter().zip(&pair[1]);
                let common = both.position(|(a, b)| a != b);
                let last = pair[0].iter().rposition(|token| *token >= LETTERS);
                assert_eq!(common, last);
                let at = common.unwrap();
                assert!(digit(pair[1][at]) > digit(pair[0][at]));
                // No digit fits after the first line.
                let path: Vec<Placed> = (0..pair[0].len())
                    .filter(|cell| board.cells()[*cell] == 0)
                    .map(|cell| Placed {
                        cell,
                        digit: digit(pair[0][cell]).unwrap(),
                    })
                    .collect();
                assert!(board.moves(&path).is_empty());
            }
        }
    }
}
