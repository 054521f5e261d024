//! # OperatorPuzzle
//!
//! Arithmetic with the operators left out.
//!
//! Source: Regimen's own, after the arithmetic puzzles of "How Much Backtracking is Enough?", arXiv 2505.24273.

use rand::{Rng, RngExt};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::puzzle::Puzzle;
use super::solves::{Readable, json};
use crate::error::{Result, RlRewardsError, check};

/// The largest number.
const LARGEST: i64 = 1000;

/// What stands between two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`, which binds more.
    Times,
}

const ALL: [Operator; 3] = [Operator::Plus, Operator::Minus, Operator::Times];

impl Operator {
    fn sign(self) -> char {
        match self {
            Self::Plus => '+',
            Self::Minus => '-',
            Self::Times => '*',
        }
    }
}

/// Numbers in a row with a blank between each two: `3 ? 5 ? 2 = 13`. The moves fill the blanks with `+`, `-` and `*` from the left; products come first.
///
/// Difficulty is the count of the numbers. Its verifier is [`Solves`](super::Solves).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct OperatorPuzzle {
    numbers: Vec<i64>,
    target: i64,
}
checked_serde!(OperatorPuzzle);

impl OperatorPuzzle {
    /// These numbers, which are to give the target.
    ///
    /// # Errors
    /// If there are not 2 to 10 numbers, or one is not 0 to 1,000.
    pub fn new(numbers: Vec<i64>, target: i64) -> Result<Self> {
        Self { numbers, target }.checked()
    }

    /// Draws numbers from 1 to `largest` and operators, and asks for what they give.
    ///
    /// # Errors
    /// If the count is not 2 to 10, or `largest` not 1 to 1,000.
    pub fn draw(count: usize, largest: i64, rng: &mut impl Rng) -> Result<Self> {
        let good = (1..=LARGEST).contains(&largest);
        check("largest", largest as f64, good, "1 to 1,000")?;
        check("count", count as f64, (2..=10).contains(&count), "2 to 10")?;
        let numbers: Vec<i64> = (0..count).map(|_| rng.random_range(1..=largest)).collect();
        let operators: Vec<Operator> = (1..count).map(|_| ALL[rng.random_range(0..3)]).collect();
        let target = value(&numbers, &operators);
        Self::new(numbers, target)
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> i64 {
        self.target
    }

    /// The numbers with as many operators as there are, and a `?` in each other blank.
    fn written(&self, operators: &[Operator]) -> String {
        let mut text = String::new();
        for (place, number) in self.numbers.iter().enumerate() {
            if place > 0 {
                text.push(operators.get(place - 1).map_or('?', |one| one.sign()));
            }
            text.push_str(&number.to_string());
        }
        format!("{text}={}", self.target)
    }
}

/// What numbers with operators between them give: ten of 1,000 are within 64 bits only for sums, so that it stays at the ends of these.
fn value(numbers: &[i64], operators: &[Operator]) -> i64 {
    let (mut sum, mut product) = (0_i64, numbers.first().copied().unwrap_or(0));
    for (operator, number) in operators.iter().zip(numbers.iter().skip(1)) {
        match operator {
            Operator::Times => product = product.saturating_mul(*number),
            Operator::Plus => {
                sum = sum.saturating_add(product);
                product = *number;
            }
            Operator::Minus => {
                sum = sum.saturating_add(product);
                product = -number;
            }
        }
    }
    sum.saturating_add(product)
}

impl Puzzle for OperatorPuzzle {
    type Move = Operator;

    fn moves(&self, so_far: &[Operator]) -> Vec<Operator> {
        if so_far.len() + 1 < self.numbers.len() {
            ALL.to_vec()
        } else {
            Vec::new()
        }
    }

    fn is_solved(&self, moves: &[Operator]) -> bool {
        moves.len() + 1 == self.numbers.len() && value(&self.numbers, moves) == self.target
    }

    fn line(&self, so_far: &[Operator], next: &Operator) -> String {
        let all = [so_far, &[*next]].concat();
        let text = self.written(&all);
        if all.len() + 1 < self.numbers.len() {
            return text;
        }
        format!("{text}: it is {}", value(&self.numbers, &all))
    }

    fn back(&self, so_far: &[Operator], kept: usize) -> String {
        format!(
            "back to {}",
            self.written(&so_far[..kept.min(so_far.len())])
        )
    }

    fn answer(&self, moves: &[Operator]) -> String {
        self.written(moves)
    }

    fn wrong(&self, right: &Operator, rng: &mut dyn Rng) -> Operator {
        let others: Vec<Operator> = ALL.into_iter().filter(|one| one != right).collect();
        others[rng.random_range(0..others.len())]
    }

    fn prompt(&self) -> String {
        self.written(&[])
    }

    fn reference(&self) -> String {
        json(self)
    }
}

impl Readable for OperatorPuzzle {
    /// The numbers in their order with operators between them; what follows `=` is left out.
    fn read(&self, answer: &str) -> Option<Vec<Operator>> {
        let answer = answer.split('=').next()?;
        let letters: String = answer
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .collect();
        let mut rest = letters.as_str();
        let mut moves = Vec::new();
        for (place, number) in self.numbers.iter().enumerate() {
            if place > 0 {
                let sign = rest.chars().next()?;
                moves.push(ALL.into_iter().find(|one| one.sign() == sign)?);
                rest = &rest[1..];
            }
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if rest[..digits] != number.to_string() {
                return None;
            }
            rest = &rest[digits..];
        }
        rest.is_empty().then_some(moves)
    }
}

impl Checked for OperatorPuzzle {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let count = self.numbers.len();
        check(
            "numbers",
            count as f64,
            (2..=10).contains(&count),
            "2 to 10 of them",
        )?;
        let mut numbers = self.numbers.iter();
        numbers.try_for_each(|number| {
            let good = (0..=LARGEST).contains(number);
            check("number", *number as f64, good, "0 to 1,000")
        })
    }
}
