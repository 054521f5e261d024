//! # Sudoku
//!
//! Whether a grid solves the given board.
//!
//! Source: "How Much Backtracking is Enough?" (arXiv 2505.24273); the rules of the puzzle

use serde::{Deserialize, Serialize};

use super::extract::{Extract, after_thinking};
use super::verdict::{Reason, Verdict, Verifier};

/// The longest text that is read, in bytes.
const LONGEST: usize = 4096;

/// Boards of 4 by 4 (blocks of 2 by 2), 6 by 6 (2 rows by 3 columns) and 9 by 9 (3 by 3), rows after each other.
///
/// The reference is the board, its blanks `0`, `.` or `_`. The answer is in the last box, the answer tags, or all that follows the last
/// `</think>`; its digits must be as many as the board has cells. White space and `| + - , ; [ ] =` between cells are left out; anything else is [`Reason::Unreadable`].
///
/// ```
/// use regimen_rl_rewards::verify::{Sudoku, Verifier};
///
/// let verifier = Sudoku::new();
/// assert!(verifier.verify("1234 3412 2143 4321", "1... ..1. ...3 .3..").is_right());
/// let verdict = verifier.verify("1342 4132 2341 3214", "1... ..3. ...1 .2..");
/// assert_eq!(verdict.to_string(), "0 (broken: each digit once a column)");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sudoku {}

impl Sudoku {
    /// The verifier, which has no settings.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

/// The side of a board of so many cells, and the rows and columns of a block.
fn shape(cells: usize) -> Option<(usize, usize, usize)> {
    match cells {
        16 => Some((4, 2, 2)),
        36 => Some((6, 2, 3)),
        81 => Some((9, 3, 3)),
        _ => None,
    }
}

/// The cells of a text, 0 for a blank.
fn cells(text: &str, blanks: &str) -> Option<Vec<u8>> {
    if text.len() > LONGEST {
        return None;
    }
    let mut cells = Vec::with_capacity(81);
    for letter in text.chars() {
        match letter {
            '1'..='9' => cells.push(letter as u8 - b'0'),
            _ if blanks.contains(letter) => cells.push(0),
            _ if letter.is_whitespace() || "|+-,;[]=".contains(letter) => {}
            _ => return None,
        }
    }
    Some(cells)
}

fn broken(
    board: &[u8],
    grid: &[u8],
    (side, rows, columns): (usize, usize, usize),
) -> Option<&'static str> {
    if board
        .iter()
        .zip(grid)
        .any(|(given, cell)| *given != 0 && given != cell)
    {
        return Some("the given cells stay");
    }
    if grid.iter().any(|cell| usize::from(*cell) > side) {
        return Some("digits up to the side of the board");
    }
    let once = |place: &dyn Fn(usize, usize) -> usize| {
        (0..side).all(|unit| {
            let seen = (0..side).fold(0_u16, |seen, at| seen | 1 << grid[place(unit, at)]);
            seen.count_ones() as usize == side
        })
    };
    if !once(&|row, at| row * side + at) {
        return Some("each digit once a row");
    }
    if !once(&|column, at| at * side + column) {
        return Some("each digit once a column");
    }
    let across = side / columns;
    let block = |block: usize, at: usize| {
        let (row, column) = (block / across * rows, block % across * columns);
        (row + at / columns) * side + column + at % columns
    };
    (!once(&block)).then_some("each digit once a block")
}

impl Verifier for Sudoku {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        let board = cells(reference, "0._");
        let board = board.and_then(|board| Some((shape(board.len())?, board)));
        let Some((shape, board)) = board else {
            return Verdict::wrong(Reason::Reference);
        };
        let places = [Extract::Boxed, Extract::AnswerTags];
        let found = Extract::first(&places, response);
        let found = found.or_else(|| Extract::Whole.find(after_thinking(response)));
        let Some(found) = found else {
            return Verdict::wrong(Reason::NoAnswer);
        };
        match cells(found, "") {
            Some(grid) if grid.len() == board.len() => match broken(&board, &grid, shape) {
                None => Verdict::right(),
                Some(rule) => Verdict::wrong(Reason::Broken(rule)),
            },
            _ => Verdict::wrong(Reason::Unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NINE: &str =
        "534678912672195348198342567859761423426853791713924856961537284287419635345286179";

    #[test]
    fn solved_and_broken() {
        let verifier = Sudoku::new();
        let board = "1... ..1. ...3 .2..";
        let solved = "1 2 3 4\n3 4 1 2\n2 1 4 3\n4 3 2 1";
        let of = |text: &str| verifier.verify(text, board);
        assert_eq!(of(solved).reason, Reason::Broken("the given cells stay"));
        let board = "1... ..1. ...3 .3..";
        let of = |text: &str| verifier.verify(text, board);
        assert!(of(solved).is_right());
        assert!(of(&format!("<think>9</think> {solved}")).is_right());
        assert!(of(r"\boxed{1234|3412|2143|4321}").is_right());
        assert_eq!(of("1234").reason, Reason::Unreadable);
        assert_eq!(of("").reason, Reason::NoAnswer);
        assert_eq!(of("no").reason, Reason::Unreadable);
        let blank = ".".repeat(16);
        let of = |text: &str| verifier.verify(text, &blank).reason;
        assert_eq!(
            of("1134341221434321"),
            Reason::Broken("each digit once a row")
        );
        assert_eq!(
            of("1234123412341234"),
            Reason::Broken("each digit once a column")
        );
        assert_eq!(
            of("1234234134124123"),
            Reason::Broken("each digit once a block")
        );
        assert_eq!(
            of("9234341221434321"),
            Reason::Broken("digits up to the side of the board")
        );
        assert_eq!(verifier.verify(solved, "123").reason, Reason::Reference);
    }

    #[test]
    fn larger_boards() {
        let blank = "_".repeat(81);
        assert!(Sudoku::new().verify(NINE, &blank).is_right());
        let six = "123456456123231564564231312645645312";
        assert!(Sudoku::new().verify(six, &"0".repeat(36)).is_right());
    }
}
