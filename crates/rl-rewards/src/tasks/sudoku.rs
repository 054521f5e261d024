//! # SudokuPuzzle
//!
//! Sudoku boards with one solution, cell by cell.
//!
//! Source: "How Much Backtracking is Enough?", arXiv 2505.24273 (row by row, the first empty cell).

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::puzzle::Puzzle;
use crate::error::{Result, RlRewardsError, check};

/// Boards that are drawn until one has as many blanks.
const TRIES: usize = 100;

/// Moves of a solver at most.
const MOST: usize = 1 << 18;

/// A digit in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// The cell, row by row from 0.
    pub cell: usize,
    /// The digit, from 1.
    pub digit: u8,
}

/// A board of 4 by 4 (blocks of 2 by 2), 6 by 6 (2 rows by 3 columns) or 9 by 9 (3 by 3) with exactly one solution.
///
/// The next move is a digit in the first empty cell, row by row, that its row, its column and its block do not have; the smallest is tried first. Difficulty
/// is the number of blanks: 8 to 12 of 16 and 30 to 50 of 81 in the paper. Its verifier is [`Sudoku`](crate::verify::Sudoku).
///
/// ```
/// use regimen_rl_rewards::tasks::{SudokuPuzzle, Trace};
///
/// let puzzle = SudokuPuzzle::new("..23 .... .3.1 .4..")?;
/// let search = Trace::depth_first(&puzzle, 1000)?;
/// assert_eq!(search.last(), puzzle.solution());
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct SudokuPuzzle {
    /// 0 for a blank.
    cells: Vec<u8>,
}
checked_serde!(SudokuPuzzle);

/// The rows and columns of a block.
fn block(side: usize) -> Option<(usize, usize)> {
    match side {
        4 => Some((2, 2)),
        6 => Some((2, 3)),
        9 => Some((3, 3)),
        _ => None,
    }
}

/// The side of a board of so many cells.
fn side(cells: usize) -> usize {
    match cells {
        16 => 4,
        36 => 6,
        _ => 9,
    }
}

impl SudokuPuzzle {
    /// From a text: digits, `0`, `.` or `_` for a blank, white space anywhere.
    ///
    /// # Errors
    /// If the cells are not 16, 36 or 81, a digit is above the side, or the board has no solution or several.
    pub fn new(text: &str) -> Result<Self> {
        let letters = text.chars().filter(|letter| !letter.is_whitespace());
        let cell = |letter| match letter {
            '1'..='9' => Ok(letter as u8 - b'0'),
            '0' | '.' | '_' => Ok(0),
            _ => Err(RlRewardsError::OutOfRange {
                field: "cell",
                value: format!("{letter:?}"),
                allowed: "a digit, or `0`, `.` or `_` for a blank",
            }),
        };
        let cells = letters.take(82).map(cell).collect::<Result<Vec<u8>>>()?;
        Self { cells }.checked()
    }

    /// A board with one solution and so many blanks, from a full grid that is drawn, of which cells are cleared in an order that is drawn.
    ///
    /// # Errors
    /// If the side is not 4, 6 or 9, or in a hundred grids there were not as many cells to clear.
    pub fn draw(side: usize, blanks: usize, rng: &mut impl Rng) -> Result<Self> {
        check("side", side as f64, block(side).is_some(), "4, 6 or 9")?;
        check(
            "blanks",
            blanks as f64,
            blanks <= side * side,
            "up to the number of cells",
        )?;
        for _ in 0..TRIES {
            let mut cells = vec![0; side * side];
            fill(&mut cells, rng);
            let mut order: Vec<usize> = (0..cells.len()).collect();
            order.shuffle(rng);
            let mut cleared = 0;
            for cell in order {
                if cleared == blanks {
                    break;
                }
                let digit = std::mem::take(&mut cells[cell]);
                if is_unique(&cells) {
                    cleared += 1;
                } else {
                    cells[cell] = digit;
                }
            }
            if cleared == blanks {
                return Ok(Self { cells });
            }
        }
        Err(RlRewardsError::OutOfRange {
            field: "blanks",
            value: blanks.to_string(),
            allowed: "as many as boards with one solution have",
        })
    }

    /// The cells, row by row, 0 for a blank.
    #[must_use]
    pub fn cells(&self) -> &[u8] {
        &self.cells
    }

    /// Cells that are blank.
    #[must_use]
    pub fn blanks(&self) -> usize {
        self.cells.iter().filter(|cell| **cell == 0).count()
    }

    /// The moves of the only solution.
    #[must_use]
    pub fn solution(&self) -> Vec<Placed> {
        let mut cells = self.cells.clone();
        solve(&mut cells);
        let blanks = self.cells.iter().zip(cells).enumerate();
        let blanks = blanks.filter(|(_, (given, _))| **given == 0);
        blanks
            .map(|(cell, (_, digit))| Placed { cell, digit })
            .collect()
    }

    /// The board with some moves made.
    #[must_use]
    pub fn board(&self, moves: &[Placed]) -> Vec<u8> {
        let mut cells = self.cells.clone();
        for one in moves {
            if let Some(cell) = cells.get_mut(one.cell) {
                *cell = one.digit;
            }
        }
        cells
    }

    fn written(cells: &[u8]) -> String {
        let row = |row: &[u8]| -> String {
            let letters = row.iter().map(|cell| match cell {
                0 => '.',
                digit => char::from(b'0' + digit),
            });
            letters.collect()
        };
        let rows: Vec<String> = cells.chunks(side(cells.len())).map(row).collect();
        rows.join(" ")
    }

    fn place(&self, cell: usize) -> String {
        let side = side(self.cells.len());
        format!("r{}c{}", cell / side + 1, cell % side + 1)
    }
}

/// The digits that a cell may have, as bits.
fn allowed(cells: &[u8], cell: usize) -> u16 {
    let side = side(cells.len());
    let (high, wide) = block(side).unwrap_or((3, 3));
    let (row, column) = (cell / side, cell % side);
    let (top, first) = (row / high * high, column / wide * wide);
    let mut seen = 0_u16;
    for at in 0..side {
        seen |= 1 << cells[row * side + at];
        seen |= 1 << cells[at * side + column];
        seen |= 1 << cells[(top + at / wide) * side + first + at % wide];
    }
    !seen & ((2 << side) - 2)
}

/// The empty cell with the fewest digits, and these; none where no cell is empty.
fn narrowest(cells: &[u8]) -> Option<(usize, u16)> {
    let empty = (0..cells.len()).filter(|cell| cells[*cell] == 0);
    empty
        .map(|cell| (cell, allowed(cells, cell)))
        .min_by_key(|(_, digits)| digits.count_ones())
}

fn digits(bits: u16) -> impl Iterator<Item = u8> {
    (1..=9).filter(move |digit| bits & 1 << digit != 0)
}

/// Whether there is exactly one solution; a board for which that takes too long to see is taken for one of several.
fn is_unique(cells: &[u8]) -> bool {
    let mut left = MOST;
    solutions(&mut cells.to_vec(), 2, &mut left) == 1 && left > 0
}

/// How many solutions there are, up to `most`, within so many moves.
fn solutions(cells: &mut [u8], most: usize, left: &mut usize) -> usize {
    let Some((cell, bits)) = narrowest(cells) else {
        return 1;
    };
    let mut found = 0;
    for digit in digits(bits) {
        if *left == 0 || found >= most {
            break;
        }
        *left -= 1;
        cells[cell] = digit;
        found += solutions(cells, most - found, left);
    }
    cells[cell] = 0;
    found
}

/// Fills the empty cells by the first solution.
fn solve(cells: &mut [u8]) -> bool {
    let Some((cell, bits)) = narrowest(cells) else {
        return true;
    };
    for digit in digits(bits) {
        cells[cell] = digit;
        if solve(cells) {
            return true;
        }
    }
    cells[cell] = 0;
    false
}

/// Fills an empty grid by a solution that is drawn.
fn fill(cells: &mut [u8], rng: &mut impl Rng) -> bool {
    let Some((cell, bits)) = narrowest(cells) else {
        return true;
    };
    let mut order: Vec<u8> = digits(bits).collect();
    order.shuffle(rng);
    for digit in order {
        cells[cell] = digit;
        if fill(cells, rng) {
            return true;
        }
    }
    cells[cell] = 0;
    false
}

impl Puzzle for SudokuPuzzle {
    type Move = Placed;

    fn moves(&self, so_far: &[Placed]) -> Vec<Placed> {
        let cells = self.board(so_far);
        let Some(cell) = cells.iter().position(|cell| *cell == 0) else {
            return Vec::new();
        };
        digits(allowed(&cells, cell))
            .map(|digit| Placed { cell, digit })
            .collect()
    }

    fn is_solved(&self, moves: &[Placed]) -> bool {
        let mut cells = self.cells.clone();
        for one in moves {
            let empty = cells.get(one.cell).is_some_and(|cell| *cell == 0);
            if !empty || one.digit > 9 || allowed(&cells, one.cell) & 1 << one.digit == 0 {
                return false;
            }
            cells[one.cell] = one.digit;
        }
        !cells.contains(&0)
    }

    fn line(&self, _: &[Placed], next: &Placed) -> String {
        format!("{}={}", self.place(next.cell), next.digit)
    }

    fn back(&self, so_far: &[Placed], kept: usize) -> String {
        match so_far.get(kept) {
            Some(first) => format!("no digit fits: back to {}", self.place(first.cell)),
            None => "no digit fits: back".into(),
        }
    }

    fn answer(&self, moves: &[Placed]) -> String {
        Self::written(&self.board(moves))
    }

    fn wrong(&self, right: &Placed, rng: &mut dyn Rng) -> Placed {
        let others = side(self.cells.len()) as u8 - 1;
        let other = rng.random_range(1..=others);
        let digit = other + u8::from(other >= right.digit);
        Placed { digit, ..*right }
    }

    fn prompt(&self) -> String {
        Self::written(&self.cells)
    }

    fn reference(&self) -> String {
        Self::written(&self.cells)
    }
}

impl Checked for SudokuPuzzle {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let count = self.cells.len();
        let good = matches!(count, 16 | 36 | 81);
        check("cells", count as f64, good, "16, 36 or 81 of them")?;
        let mut cells = self.cells.clone();
        for cell in 0..count {
            let digit = std::mem::take(&mut cells[cell]);
            let good = digit == 0 || digit <= 9 && allowed(&cells, cell) & 1 << digit != 0;
            check(
                "cell",
                f64::from(digit),
                good,
                "a digit up to the side, once a row, column and block",
            )?;
            cells[cell] = digit;
        }
        let blanks = self.blanks() as f64;
        check(
            "blanks",
            blanks,
            is_unique(&cells),
            "those of a board with exactly one solution",
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::trace::Trace;
    use super::*;
    use crate::verify::{Sudoku, Verifier};

    #[test]
    fn boards_have_one_solution_and_their_blanks() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (side, blanks) in [(4, 8), (4, 11), (6, 18), (9, 30), (9, 50)] {
            let puzzle = SudokuPuzzle::draw(side, blanks, &mut rng).unwrap();
            assert_eq!(
                (puzzle.blanks(), puzzle.cells().len()),
                (blanks, side * side)
            );
            assert_eq!(SudokuPuzzle::new(&puzzle.prompt()).unwrap(), puzzle);
            let solution = puzzle.solution();
            assert!(puzzle.is_solved(&solution) && solution.len() == blanks);
            let verdict = Sudoku::new().verify(&puzzle.answer(&solution), &puzzle.reference());
            assert!(verdict.is_right(), "{verdict}");
            assert!(!puzzle.is_solved(&solution[1..]));
        }
        assert!(SudokuPuzzle::draw(5, 3, &mut rng).is_err());
        assert!(SudokuPuzzle::draw(4, 16, &mut rng).is_err());
    }

    #[test]
    fn what_is_no_board_is_refused() {
        for text in [
            "",
            "1234",
            "1... ..1. ...3 ....",
            "11.. .... .... ....",
            "..53 .... .3.1 .4..",
            "..x3 .... .3.1 .4..",
        ] {
            assert!(SudokuPuzzle::new(text).is_err(), "{text}");
        }
        assert!(SudokuPuzzle::new(&"1".repeat(1000)).is_err());
    }

    #[test]
    fn traces_with_wrong_turns() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut fewer = 0;
        for _ in 0..20 {
            let puzzle = SudokuPuzzle::draw(9, 40, &mut rng).unwrap();
            let solution = puzzle.solution();
            for k in [0, 1, 3, 5, 10] {
                let trace = Trace::with_backtracks(&puzzle, &solution, k, &mut rng).unwrap();
                let found = trace.backtracks();
                assert!(found <= k && (k == 0 || found > 0));
                fewer += usize::from(found < k);
                assert_eq!(trace.last(), solution);
                assert!(trace.steps() >= solution.len() + found);
                let verdict = Sudoku::new().verify(&trace.text(&puzzle), &puzzle.reference());
                assert!(verdict.is_right(), "{verdict}");
                let misled = trace.clone().misleading(&puzzle, 0.0, &mut rng).unwrap();
                assert_eq!(
                    (misled.steps(), misled.backtracks()),
                    (trace.steps(), found)
                );
                let verdict = Sudoku::new().verify(&misled.text(&puzzle), &puzzle.reference());
                assert!(!verdict.is_right());
                let shuffled = trace.clone().shuffled(&mut rng);
                assert_ne!(shuffled, trace);
                assert_eq!(shuffled.events().len(), trace.events().len());
            }
            let search = Trace::depth_first(&puzzle, 1_000_000).unwrap();
            assert_eq!(search.last(), solution);
            let cut = Trace::depth_first(&puzzle, 30).unwrap();
            assert_eq!(cut.steps(), search.steps().min(30));
        }
        // A board may have fewer than ten wrong ways.
        assert!(fewer < 10, "{fewer}");
    }

    /// A return goes to the place of the next digit, whatever stands between.
    #[test]
    fn a_search_depth_first_as_text() {
        let puzzle = SudokuPuzzle::new("..23 .... .3.1 .4..").unwrap();
        let trace = Trace::depth_first(&puzzle, 100).unwrap();
        let mut path = Vec::new();
        for event in trace.events() {
            match event {
                super::super::trace::Event::Step(step) => {
                    assert!(puzzle.moves(&path).contains(step));
                    path.push(*step);
                }
                super::super::trace::Event::Back(kept) => {
                    assert!(*kept < path.len());
                    path.truncate(*kept);
                }
            }
        }
        assert!(puzzle.is_solved(&path));
        assert!(trace.text(&puzzle).starts_with("r1c1=1"));
    }
}
