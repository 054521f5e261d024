//! # ZebraPuzzle
//!
//! Who lives where: houses in a row, and clues.
//!
//! Source: Regimen's own, after the zebra puzzles of "How Much Backtracking is Enough?", arXiv 2505.24273.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::puzzle::Puzzle;
use super::solves::{Readable, json};
use crate::error::{Result, RlRewardsError, check};

/// Moves of a solver at most.
const MOST: usize = 1 << 18;

/// Values of each kind, one a house.
const NAMES: [[&str; 5]; 5] = [
    ["red", "green", "blue", "white", "yellow"],
    ["dog", "cat", "horse", "fox", "zebra"],
    ["tea", "milk", "water", "juice", "coffee"],
    ["baker", "pilot", "nurse", "judge", "miner"],
    ["Ann", "Bob", "Cleo", "Dan", "Eve"],
];

/// A value: which kind, and which of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The kind, from 0: colour, animal, drink, work, name.
    pub kind: usize,
    /// Which of the kind, from 0.
    pub which: usize,
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = NAMES.get(self.kind).and_then(|kind| kind.get(self.which));
        f.write_str(name.copied().unwrap_or("?"))
    }
}

/// What is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clue {
    /// In this house, from 0.
    At(Value, usize),
    /// Not in this house, from 0.
    NotAt(Value, usize),
    /// In one house.
    Together(Value, Value),
    /// In houses beside each other.
    Beside(Value, Value),
    /// The first in the house on the left of the second.
    LeftOf(Value, Value),
}

impl Clue {
    /// Whether it holds by what is decided; none while it depends on what is not.
    fn holds(self, house: &impl Fn(Value) -> Option<usize>) -> Option<bool> {
        match self {
            Self::At(value, at) => Some(house(value)? == at),
            Self::NotAt(value, at) => Some(house(value)? != at),
            Self::Together(a, b) => Some(house(a)? == house(b)?),
            Self::Beside(a, b) => Some(house(a)?.abs_diff(house(b)?) == 1),
            Self::LeftOf(a, b) => Some(house(a)? + 1 == house(b)?),
        }
    }

    fn values(self) -> Vec<Value> {
        match self {
            Self::At(value, _) | Self::NotAt(value, _) => vec![value],
            Self::Together(a, b) | Self::Beside(a, b) | Self::LeftOf(a, b) => vec![a, b],
        }
    }
}

impl std::fmt::Display for Clue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(value, at) => write!(f, "{value} is in house {}", at + 1),
            Self::NotAt(value, at) => write!(f, "{value} is not in house {}", at + 1),
            Self::Together(a, b) => write!(f, "{a} and {b} are in one house"),
            Self::Beside(a, b) => write!(f, "{a} and {b} are in houses beside each other"),
            Self::LeftOf(a, b) => write!(f, "{a} is in the house on the left of {b}"),
        }
    }
}

/// A value in a house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Housed {
    /// The value.
    pub value: Value,
    /// The house, from 0.
    pub house: usize,
}

/// Houses in a row, each with one value of each kind, and clues that leave one way alone. The moves give each value its house, kind by kind; a house is left out
/// where a clue forbids it by what is decided.
///
/// Difficulty is the number of houses and of kinds. Its verifier is [`Solves`](super::Solves).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ZebraPuzzle {
    houses: usize,
    kinds: usize,
    clues: Vec<Clue>,
}
checked_serde!(ZebraPuzzle);

impl ZebraPuzzle {
    /// So many houses and kinds, and these clues.
    ///
    /// # Errors
    /// If there are not 2 to 5 houses and 1 to 5 kinds, a clue names what there is not, there are more than 1,000 clues, or the ways that they leave are not one.
    pub fn new(houses: usize, kinds: usize, clues: Vec<Clue>) -> Result<Self> {
        Self {
            houses,
            kinds,
            clues,
        }
        .checked()
    }

    /// Draws who lives where, and clues none of which can be left out.
    ///
    /// # Errors
    /// If there are not 2 to 5 houses and 1 to 5 kinds.
    pub fn draw(houses: usize, kinds: usize, rng: &mut impl Rng) -> Result<Self> {
        check_sizes(houses, kinds)?;
        let mut rows: Vec<Vec<usize>> = vec![(0..houses).collect(); kinds];
        rows.iter_mut().for_each(|row| row.shuffle(rng));
        let mut all = true_clues(houses, &rows);
        all.shuffle(rng);
        let mut puzzle = Self {
            houses,
            kinds,
            clues: Vec::new(),
        };
        for clue in all {
            puzzle.clues.push(clue);
            if puzzle.is_unique() {
                break;
            }
        }
        let mut at = 0;
        while at < puzzle.clues.len() {
            let clue = puzzle.clues.remove(at);
            if !puzzle.is_unique() {
                puzzle.clues.insert(at, clue);
                at += 1;
            }
        }
        Ok(puzzle)
    }

    /// The clues.
    #[must_use]
    pub fn clues(&self) -> &[Clue] {
        &self.clues
    }

    fn value(&self, place: usize) -> Value {
        Value {
            kind: place / self.houses,
            which: place % self.houses,
        }
    }

    /// Whether there is exactly one way; clues for which that takes too long to see are taken for others.
    fn is_unique(&self) -> bool {
        let mut left = MOST;
        self.ways(&mut Vec::new(), 2, &mut left) == 1 && left > 0
    }

    /// How many ways there are, up to `most`, within so many moves.
    fn ways(&self, so_far: &mut Vec<Housed>, most: usize, left: &mut usize) -> usize {
        if so_far.len() == self.houses * self.kinds {
            return 1;
        }
        let mut found = 0;
        for next in self.moves(so_far) {
            if *left == 0 || found >= most {
                break;
            }
            *left -= 1;
            so_far.push(next);
            found += self.ways(so_far, most - found, left);
            so_far.pop();
        }
        found
    }

    fn agrees(&self, housed: &[Housed]) -> bool {
        let house = |value: Value| {
            housed
                .iter()
                .find(|one| one.value == value)
                .map(|one| one.house)
        };
        self.clues
            .iter()
            .all(|clue| clue.holds(&house) != Some(false))
    }
}

fn check_sizes(houses: usize, kinds: usize) -> Result<()> {
    check("houses", houses as f64, (2..=5).contains(&houses), "2 to 5")?;
    check("kinds", kinds as f64, (1..=5).contains(&kinds), "1 to 5")
}

/// All clues that hold where each row has the houses of a kind's values.
fn true_clues(houses: usize, rows: &[Vec<usize>]) -> Vec<Clue> {
    let values =
        (0..rows.len()).flat_map(|kind| (0..houses).map(move |which| Value { kind, which }));
    let values: Vec<Value> = values.collect();
    let house = |value: Value| Some(rows[value.kind][value.which]);
    let mut all = Vec::new();
    for a in &values {
        for at in 0..houses {
            all.extend([Clue::At(*a, at), Clue::NotAt(*a, at)]);
        }
        for b in values.iter().filter(|b| a != *b) {
            if a.kind != b.kind {
                all.push(Clue::Together(*a, *b));
            }
            all.extend([Clue::Beside(*a, *b), Clue::LeftOf(*a, *b)]);
        }
    }
    all.retain(|clue| clue.holds(&house) == Some(true));
    all
}

impl Puzzle for ZebraPuzzle {
    type Move = Housed;

    fn moves(&self, so_far: &[Housed]) -> Vec<Housed> {
        let place = so_far.len();
        if place >= self.houses * self.kinds {
            return Vec::new();
        }
        let value = self.value(place);
        let same = so_far.iter().filter(|one| one.value.kind == value.kind);
        let taken: Vec<usize> = same.map(|one| one.house).collect();
        let free = (0..self.houses).filter(|house| !taken.contains(house));
        let housed = free.map(|house| Housed { value, house });
        housed
            .filter(|one| self.agrees(&[so_far, &[*one]].concat()))
            .collect()
    }

    fn is_solved(&self, moves: &[Housed]) -> bool {
        let whole = moves.len() == self.houses * self.kinds;
        // Each move is one of those that may come there.
        whole && (0..moves.len()).all(|place| self.moves(&moves[..place]).contains(&moves[place]))
    }

    fn line(&self, _: &[Housed], next: &Housed) -> String {
        format!("{} in {}", next.value, next.house + 1)
    }

    fn back(&self, so_far: &[Housed], kept: usize) -> String {
        let value = so_far.get(kept).map_or(self.value(kept), |one| one.value);
        format!("no house is left: back to {value}")
    }

    fn answer(&self, moves: &[Housed]) -> String {
        let words: Vec<String> = moves
            .iter()
            .map(|one| format!("{} {}", one.value, one.house + 1))
            .collect();
        words.join(", ")
    }

    fn wrong(&self, right: &Housed, rng: &mut dyn Rng) -> Housed {
        let other = rng.random_range(0..self.houses - 1);
        let house = other + usize::from(other >= right.house);
        Housed { house, ..*right }
    }

    fn prompt(&self) -> String {
        let clues: Vec<String> = self.clues.iter().map(ToString::to_string).collect();
        format!("{} houses\n{}", self.houses, clues.join("\n"))
    }

    fn reference(&self) -> String {
        json(self)
    }
}

impl Readable for ZebraPuzzle {
    /// Each value with the number of its house, in any order, commas between them.
    fn read(&self, answer: &str) -> Option<Vec<Housed>> {
        let places = self.houses * self.kinds;
        let mut found: Vec<Option<Housed>> = vec![None; places];
        for part in answer.split(',').take(places + 1) {
            let (name, house) = part.trim().rsplit_once(char::is_whitespace)?;
            let house = house.parse::<usize>().ok()?.checked_sub(1)?;
            let named = |place: &usize| {
                self.value(*place)
                    .to_string()
                    .eq_ignore_ascii_case(name.trim())
            };
            let place = (0..places).find(named)?;
            if found[place].is_some() {
                return None;
            }
            let value = self.value(place);
            found[place] = Some(Housed { value, house });
        }
        found.into_iter().collect()
    }
}

impl Checked for ZebraPuzzle {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_sizes(self.houses, self.kinds)?;
        let count = self.clues.len();
        check("clues", count as f64, count <= 1000, "up to 1,000")?;
        for value in self.clues.iter().flat_map(|clue| clue.values()) {
            let good = value.kind < self.kinds && value.which < self.houses;
            check(
                "clue",
                value.which as f64,
                good,
                "values of the houses and kinds that there are",
            )?;
        }
        check(
            "clues",
            count as f64,
            self.is_unique(),
            "those that leave exactly one way",
        )
    }
}
