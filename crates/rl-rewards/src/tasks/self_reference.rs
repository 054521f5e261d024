//! # SelfReferencePuzzle
//!
//! Statements about each other: which of them are true?
//!
//! Source: Regimen's own, after the self-reference puzzles of "How Much Backtracking is Enough?", arXiv 2505.24273.

use rand::{Rng, RngExt};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::puzzle::Puzzle;
use super::solves::{Readable, json};
use crate::error::{Result, RlRewardsError, check};

/// Draws of statements, until there is one way alone.
const TRIES: usize = 10_000;

/// What a statement says; statements are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statement {
    /// So many of the statements are true.
    Exactly(usize),
    /// So many of the statements or more are true.
    AtLeast(usize),
    /// So many of the statements at even places are true.
    EvenPlaces(usize),
    /// This statement is true.
    IsTrue(usize),
    /// This statement is false.
    IsFalse(usize),
    /// Both of these are true, or both are false.
    Alike(usize, usize),
}

impl Statement {
    /// Whether it says the truth of these truths; none while it depends on what is not decided.
    fn holds(self, truths: &[bool], count: usize) -> Option<bool> {
        let decided = truths.len();
        let of = |place: usize| truths.get(place.wrapping_sub(1)).copied();
        let sure = truths.iter().filter(|truth| **truth).count();
        let open = count - decided;
        match self {
            Self::Exactly(wanted) if wanted < sure || wanted > sure + open => Some(false),
            Self::Exactly(wanted) => (open == 0).then_some(wanted == sure),
            Self::AtLeast(wanted) if wanted <= sure => Some(true),
            Self::AtLeast(wanted) => (wanted > sure + open).then_some(false),
            Self::EvenPlaces(wanted) => {
                let even = truths
                    .iter()
                    .skip(1)
                    .step_by(2)
                    .filter(|truth| **truth)
                    .count();
                (open == 0).then_some(even == wanted)
            }
            Self::IsTrue(place) => of(place),
            Self::IsFalse(place) => of(place).map(|truth| !truth),
            Self::Alike(left, right) => of(left).zip(of(right)).map(|(left, right)| left == right),
        }
    }

    /// The places that it names.
    fn places(self) -> Vec<usize> {
        match self {
            Self::IsTrue(place) | Self::IsFalse(place) => vec![place],
            Self::Alike(left, right) => vec![left, right],
            _ => Vec::new(),
        }
    }
}

impl std::fmt::Display for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(count) => write!(f, "exactly {count} of these statements are true"),
            Self::AtLeast(count) => write!(f, "at least {count} of these statements are true"),
            Self::EvenPlaces(count) => write!(f, "exactly {count} of the even statements are true"),
            Self::IsTrue(place) => write!(f, "statement {place} is true"),
            Self::IsFalse(place) => write!(f, "statement {place} is false"),
            Self::Alike(left, right) => write!(
                f,
                "statements {left} and {right} are both true or both false"
            ),
        }
    }
}

/// Statements of which exactly one choice of truths makes each true one say the truth and each false one not. The moves decide them in order.
///
/// Difficulty is their number. Its verifier is [`Solves`](super::Solves).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct SelfReferencePuzzle {
    statements: Vec<Statement>,
}
checked_serde!(SelfReferencePuzzle);

impl SelfReferencePuzzle {
    /// These statements.
    ///
    /// # Errors
    /// If there are not 2 to 12, one names a place that there is not, or the ways to be true are not exactly one.
    pub fn new(statements: Vec<Statement>) -> Result<Self> {
        Self { statements }.checked()
    }

    /// Draws statements until there is one way alone.
    ///
    /// # Errors
    /// If their number is not 2 to 12, or none were found.
    pub fn draw(count: usize, rng: &mut impl Rng) -> Result<Self> {
        check("count", count as f64, (2..=12).contains(&count), "2 to 12")?;
        for _ in 0..TRIES {
            let statements = (0..count).map(|_| statement(count, rng)).collect();
            let puzzle = Self { statements };
            if puzzle.ways(&mut Vec::new(), 2) == 1 {
                return Ok(puzzle);
            }
        }
        Err(RlRewardsError::OutOfRange {
            field: "count",
            value: count.to_string(),
            allowed: "a number of statements for which there is one way",
        })
    }

    /// The statements.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// How many choices of truths there are, up to `most`.
    fn ways(&self, so_far: &mut Vec<bool>, most: usize) -> usize {
        if so_far.len() == self.statements.len() {
            return usize::from(self.is_solved(so_far));
        }
        let mut found = 0;
        for next in self.moves(so_far) {
            so_far.push(next);
            found += self.ways(so_far, most - found);
            so_far.pop();
            if found >= most {
                break;
            }
        }
        found
    }

    /// Whether no decided statement is known to be other than decided.
    fn agrees(&self, truths: &[bool]) -> bool {
        let count = self.statements.len();
        let mut pairs = self.statements.iter().zip(truths);
        pairs.all(|(one, truth)| one.holds(truths, count).is_none_or(|holds| holds == *truth))
    }
}

fn statement(count: usize, rng: &mut impl Rng) -> Statement {
    let place = rng.random_range(1..=count);
    match rng.random_range(0..6) {
        0 => Statement::Exactly(rng.random_range(0..=count)),
        1 => Statement::AtLeast(rng.random_range(1..=count)),
        2 => Statement::EvenPlaces(rng.random_range(0..=count / 2)),
        3 => Statement::IsTrue(place),
        4 => Statement::IsFalse(place),
        _ => Statement::Alike(place, rng.random_range(1..=count)),
    }
}

impl Puzzle for SelfReferencePuzzle {
    type Move = bool;

    fn moves(&self, so_far: &[bool]) -> Vec<bool> {
        if so_far.len() >= self.statements.len() {
            return Vec::new();
        }
        let agrees = |next: &bool| self.agrees(&[so_far, &[*next]].concat());
        [true, false].into_iter().filter(agrees).collect()
    }

    fn is_solved(&self, moves: &[bool]) -> bool {
        moves.len() == self.statements.len() && self.agrees(moves)
    }

    fn line(&self, so_far: &[bool], next: &bool) -> String {
        format!("{}: {next}", so_far.len() + 1)
    }

    fn back(&self, _: &[bool], kept: usize) -> String {
        format!("that can't be: back to {}", kept + 1)
    }

    fn answer(&self, moves: &[bool]) -> String {
        let words: Vec<&str> = moves
            .iter()
            .map(|truth| if *truth { "true" } else { "false" })
            .collect();
        words.join(" ")
    }

    fn wrong(&self, right: &bool, _: &mut dyn Rng) -> bool {
        !right
    }

    fn prompt(&self) -> String {
        let lines = self.statements.iter().enumerate();
        let lines: Vec<String> = lines
            .map(|(place, one)| format!("{}: {one}", place + 1))
            .collect();
        lines.join("\n")
    }

    fn reference(&self) -> String {
        json(self)
    }
}

impl Readable for SelfReferencePuzzle {
    /// The words `true` and `false` in order; commas and white space between them.
    fn read(&self, answer: &str) -> Option<Vec<bool>> {
        let words = answer.split(|letter: char| letter.is_whitespace() || letter == ',');
        let words = words
            .filter(|word| !word.is_empty())
            .take(self.statements.len() + 1);
        let truth = |word: &str| match word.to_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        words.map(truth).collect()
    }
}

impl Checked for SelfReferencePuzzle {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let count = self.statements.len();
        check(
            "statements",
            count as f64,
            (2..=12).contains(&count),
            "2 to 12 of them",
        )?;
        for place in self.statements.iter().flat_map(|one| one.places()) {
            check(
                "statement",
                place as f64,
                (1..=count).contains(&place),
                "the place of a statement",
            )?;
        }
        let ways = self.ways(&mut Vec::new(), 2);
        check("solutions", ways as f64, ways == 1, "exactly one")
    }
}
