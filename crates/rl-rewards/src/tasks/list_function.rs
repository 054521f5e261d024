//! # ListPuzzle
//!
//! A function of lists from examples of it.
//!
//! Source: Regimen's own, after the list functions of "How Much Backtracking is Enough?", arXiv 2505.24273.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::puzzle::Puzzle;
use super::solves::{Readable, json};
use crate::error::{Result, RlRewardsError, check};

/// What is done to a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListStep {
    /// The other way round.
    Reverse,
    /// From the smallest.
    Sort,
    /// Without the first.
    DropFirst,
    /// Without the last.
    DropLast,
    /// Each one more.
    AddOne,
    /// Each twice as large.
    Double,
    /// Even numbers alone.
    KeepEven,
    /// Odd numbers alone.
    KeepOdd,
    /// Each number once, where it is first.
    Distinct,
    /// Each the sum of all up to it.
    RunningSum,
}

const ALL: [ListStep; 10] = [
    ListStep::Reverse,
    ListStep::Sort,
    ListStep::DropFirst,
    ListStep::DropLast,
    ListStep::AddOne,
    ListStep::Double,
    ListStep::KeepEven,
    ListStep::KeepOdd,
    ListStep::Distinct,
    ListStep::RunningSum,
];

impl ListStep {
    fn name(self) -> &'static str {
        match self {
            Self::Reverse => "reverse",
            Self::Sort => "sort",
            Self::DropFirst => "drop first",
            Self::DropLast => "drop last",
            Self::AddOne => "add one",
            Self::Double => "double",
            Self::KeepEven => "keep even",
            Self::KeepOdd => "keep odd",
            Self::Distinct => "distinct",
            Self::RunningSum => "running sum",
        }
    }

    /// What becomes of a list; numbers stay at the ends of 64 bits.
    #[must_use]
    pub fn apply(self, list: &[i64]) -> Vec<i64> {
        let all = list.iter().copied();
        match self {
            Self::Reverse => all.rev().collect(),
            Self::Sort => {
                let mut sorted = list.to_vec();
                sorted.sort_unstable();
                sorted
            }
            Self::DropFirst => all.skip(1).collect(),
            Self::DropLast => list[..list.len().saturating_sub(1)].to_vec(),
            Self::AddOne => all.map(|one| one.saturating_add(1)).collect(),
            Self::Double => all.map(|one| one.saturating_mul(2)).collect(),
            Self::KeepEven => all.filter(|one| one % 2 == 0).collect(),
            Self::KeepOdd => all.filter(|one| one % 2 != 0).collect(),
            Self::Distinct => {
                let mut seen = std::collections::HashSet::new();
                all.filter(|one| seen.insert(*one)).collect()
            }
            Self::RunningSum => {
                let sums = all.scan(0_i64, |sum, one| {
                    *sum = sum.saturating_add(one);
                    Some(*sum)
                });
                sums.collect()
            }
        }
    }
}

/// A list and what the function makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListExample {
    /// The argument.
    pub from: Vec<i64>,
    /// The value.
    pub to: Vec<i64>,
}

/// Examples of a function that is a row of steps, of up to `length`; a search tries all steps after each other, in one order.
///
/// Difficulty is the length. Its verifier is [`Solves`](super::Solves): any row of steps that is right on all examples is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ListPuzzle {
    examples: Vec<ListExample>,
    length: usize,
}
checked_serde!(ListPuzzle);

impl ListPuzzle {
    /// These examples, by a row of up to `length` steps.
    ///
    /// # Errors
    /// If there is no example or more than 16, a list is longer than 32, or the length is not 1 to 6.
    pub fn new(examples: Vec<ListExample>, length: usize) -> Result<Self> {
        Self { examples, length }.checked()
    }

    /// Draws lists of 4 to 7 numbers of 0 to 9 and steps of which no shorter row does the same to them.
    ///
    /// # Errors
    /// If the length is not 1 to 4, there are not 1 to 16 examples, or none was found in 1,000 draws.
    pub fn draw(length: usize, examples: usize, rng: &mut impl Rng) -> Result<Self> {
        check("length", length as f64, (1..=4).contains(&length), "1 to 4")?;
        check(
            "examples",
            examples as f64,
            (1..=16).contains(&examples),
            "1 to 16",
        )?;
        for _ in 0..1000 {
            let steps: Vec<ListStep> = (0..length)
                .filter_map(|_| ALL.choose(rng).copied())
                .collect();
            let example = |_| {
                let count = rng.random_range(4..=7);
                let from: Vec<i64> = (0..count).map(|_| rng.random_range(0..10)).collect();
                let to = run(&steps, &from);
                ListExample { from, to }
            };
            let examples = (0..examples).map(example).collect();
            let puzzle = Self { examples, length };
            let shorter = Self {
                length: length - 1,
                ..puzzle.clone()
            };
            if !shorter.is_solved(&[]) && !shorter.has_solution(&mut Vec::new()) {
                return puzzle.checked();
            }
        }
        Err(RlRewardsError::OutOfRange {
            field: "length",
            value: length.to_string(),
            allowed: "one for which a function is found",
        })
    }

    /// The examples.
    #[must_use]
    pub fn examples(&self) -> &[ListExample] {
        &self.examples
    }

    fn has_solution(&self, so_far: &mut Vec<ListStep>) -> bool {
        for next in self.moves(so_far) {
            so_far.push(next);
            if self.is_solved(so_far) || self.has_solution(so_far) {
                return true;
            }
            so_far.pop();
        }
        false
    }
}

fn run(steps: &[ListStep], list: &[i64]) -> Vec<i64> {
    steps
        .iter()
        .fold(list.to_vec(), |list, step| step.apply(&list))
}

impl Puzzle for ListPuzzle {
    type Move = ListStep;

    fn moves(&self, so_far: &[ListStep]) -> Vec<ListStep> {
        if so_far.len() >= self.length || self.is_solved(so_far) {
            return Vec::new();
        }
        ALL.to_vec()
    }

    fn is_solved(&self, moves: &[ListStep]) -> bool {
        let right = |one: &ListExample| run(moves, &one.from) == one.to;
        moves.len() <= self.length && self.examples.iter().all(right)
    }

    fn line(&self, so_far: &[ListStep], next: &ListStep) -> String {
        let all = [so_far, &[*next]].concat();
        let first = self.examples.first().map(|one| run(&all, &one.from));
        format!("{}: {:?}", next.name(), first.unwrap_or_default())
    }

    fn back(&self, so_far: &[ListStep], kept: usize) -> String {
        let kept = &so_far[..kept.min(so_far.len())];
        let first = self.examples.first().map(|one| run(kept, &one.from));
        format!("no: back to {:?}", first.unwrap_or_default())
    }

    fn answer(&self, moves: &[ListStep]) -> String {
        let names: Vec<&str> = moves.iter().map(|one| one.name()).collect();
        names.join(", ")
    }

    fn wrong(&self, right: &ListStep, rng: &mut dyn Rng) -> ListStep {
        let others: Vec<ListStep> = ALL.into_iter().filter(|one| one != right).collect();
        others[rng.random_range(0..others.len())]
    }

    fn prompt(&self) -> String {
        let examples = self.examples.iter();
        let lines: Vec<String> = examples
            .map(|one| format!("{:?} -> {:?}", one.from, one.to))
            .collect();
        lines.join("\n")
    }

    fn reference(&self) -> String {
        json(self)
    }
}

impl Readable for ListPuzzle {
    /// Names of steps with commas between them.
    fn read(&self, answer: &str) -> Option<Vec<ListStep>> {
        let names = answer.split(',').map(|name| name.trim().to_lowercase());
        let named = |name: String| ALL.into_iter().find(|one| one.name() == name);
        names.take(self.length + 1).map(named).collect()
    }
}

impl Checked for ListPuzzle {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let count = self.examples.len();
        check(
            "examples",
            count as f64,
            (1..=16).contains(&count),
            "1 to 16",
        )?;
        check(
            "length",
            self.length as f64,
            (1..=6).contains(&self.length),
            "1 to 6",
        )?;
        let lists = self.examples.iter().flat_map(|one| [&one.from, &one.to]);
        let longest = lists.map(Vec::len).max().unwrap_or(0);
        check("list", longest as f64, longest <= 32, "up to 32 numbers")
    }
}
