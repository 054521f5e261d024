//! # FixedShots, RandomShots, Bm25Shots
//!
//! Which worked examples go into a prompt.
//!
//! Source: the settings of "Evaluating Instruction-Tuned Large Language Models on Code Comprehension and Generation" (arXiv 2308.01240):
//! one list for all, a random draw for each query, or the nearest by BM25

use std::hash::{DefaultHasher, Hash, Hasher};

use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::bm25::{Bm25, Bm25Config};
use crate::error::{CurriculumError, Result};

/// What chooses examples of a pool for a query.
///
/// ```
/// use regimen_curriculum::text::{Bm25Config, Bm25Shots, Shots};
///
/// let inputs = ["sum a list", "open a file", "sum two numbers"];
/// let shots = Bm25Shots::new(&Bm25Config::new(), inputs)?;
/// assert_eq!(shots.shots(0, "sum all numbers", 2), [0, 2]); // the most similar last
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
pub trait Shots {
    /// Up to `count` places in the pool, in the order of the prompt, for the query of this number and input text.
    fn shots(&self, query: u64, input: &str, count: usize) -> Vec<usize>;
}

/// One list for every query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedShots {
    places: Vec<usize>,
}

impl FixedShots {
    /// These places in the pool, the most wanted last: fewer shots are the end of the list.
    #[must_use]
    pub fn new(places: Vec<usize>) -> Self {
        Self { places }
    }
}

impl Shots for FixedShots {
    fn shots(&self, _query: u64, _input: &str, count: usize) -> Vec<usize> {
        let from = self.places.len().saturating_sub(count);
        self.places[from..].to_vec()
    }
}

/// What tells inputs apart, but for one pair in 2^64.
fn key(input: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    input.trim().hash(&mut hasher);
    hasher.finish()
}

/// A draw without replacement for each query, by its number; an input that is the query's own is left out.
#[derive(Clone, Debug)]
pub struct RandomShots {
    inputs: Vec<u64>,
    seed: u64,
}

impl RandomShots {
    /// From a pool with these inputs.
    ///
    /// # Errors
    /// If the pool is empty.
    pub fn new<D: AsRef<str>>(inputs: impl IntoIterator<Item = D>, seed: u64) -> Result<Self> {
        let inputs = pool(
            inputs
                .into_iter()
                .map(|input| key(input.as_ref()))
                .collect(),
        )?;
        Ok(Self { inputs, seed })
    }
}

fn pool<T>(inputs: Vec<T>) -> Result<Vec<T>> {
    if inputs.is_empty() {
        return Err(CurriculumError::TooFew {
            field: "inputs",
            found: 0,
            needed: 1,
        });
    }
    Ok(inputs)
}

impl Shots for RandomShots {
    fn shots(&self, query: u64, input: &str, count: usize) -> Vec<usize> {
        let own = key(input);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(query);
        let others = (0..self.inputs.len()).filter(|place| self.inputs[*place] != own);
        let others: Vec<usize> = others.collect();
        let drawn = sample(&mut rng, others.len(), count.min(others.len()));
        drawn.into_iter().map(|place| others[place]).collect()
    }
}

/// The order of the examples in a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShotOrder {
    /// The most similar next to the query.
    #[default]
    MostSimilarLast,
    /// The most similar at the start.
    MostSimilarFirst,
}

/// The examples whose **inputs** share most rare words with the query's; one with the query's own input is left out, and those of one score
/// go in the pool's order.
#[derive(Clone, Debug)]
pub struct Bm25Shots {
    index: Bm25,
    inputs: Vec<u64>,
    order: ShotOrder,
}

impl Bm25Shots {
    /// From a pool with these inputs. Outputs do not belong to them: their words would tell the answer.
    ///
    /// # Errors
    /// If the pool is empty, and those of [`Bm25Config::init`].
    pub fn new<D: AsRef<str>>(
        config: &Bm25Config,
        inputs: impl IntoIterator<Item = D>,
    ) -> Result<Self> {
        let mut keys = Vec::new();
        let inputs = inputs
            .into_iter()
            .inspect(|input| keys.push(key(input.as_ref())));
        let index = config.init(inputs)?;
        Ok(Self {
            index,
            inputs: pool(keys)?,
            order: ShotOrder::default(),
        })
    }

    /// The order in the prompt; the most similar last by default.
    #[must_use]
    pub fn with_order(mut self, order: ShotOrder) -> Self {
        self.order = order;
        self
    }
}

impl Shots for Bm25Shots {
    fn shots(&self, _query: u64, input: &str, count: usize) -> Vec<usize> {
        let own = key(input);
        let same = self.inputs.iter().filter(|key| **key == own).count();
        let hits = self.index.top(input, count.saturating_add(same));
        let places = hits.iter().map(|hit| hit.document);
        let mut places: Vec<usize> = places.filter(|place| self.inputs[*place] != own).collect();
        places.truncate(count);
        if self.order == ShotOrder::MostSimilarLast {
            places.reverse();
        }
        places
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const POOL: [&str; 5] = [
        "sum a list",
        "open a file",
        "sum of numbers",
        "sum a list ",
        "close it",
    ];

    #[test]
    fn the_query_itself_is_no_shot() {
        let shots = Bm25Shots::new(&Bm25Config::new(), POOL).unwrap();
        let found = shots.shots(0, "sum a list", 3);
        assert_eq!(found.len(), 3);
        assert!(!found.contains(&0) && !found.contains(&3));
        let first = shots.clone().with_order(ShotOrder::MostSimilarFirst);
        let mut reversed = first.shots(0, "sum a list", 3);
        reversed.reverse();
        assert_eq!(reversed, found);
        let random = RandomShots::new(POOL, 5).unwrap();
        for query in 0..50 {
            let mut found = random.shots(query, "sum a list", 9);
            found.sort_unstable();
            assert_eq!(found, [1, 2, 4]);
        }
    }

    #[test]
    fn random_shots_are_of_the_query_alone() {
        let random = RandomShots::new(POOL, 5).unwrap();
        let of = |query| random.shots(query, "x", 2);
        assert_eq!(of(3), of(3));
        assert!((0..20).any(|query| of(query) != of(0)));
        let mut counts = [0; 5];
        for query in 0..5_000 {
            let shots = of(query);
            assert_ne!(shots[0], shots[1]);
            shots.iter().for_each(|place| counts[*place] += 1);
        }
        // 2,000 of each are expected, with a standard deviation of 35.
        assert!(
            counts.iter().all(|count| (1_850..2_150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn fixed_shots_and_empty_pools() {
        let fixed = FixedShots::new(vec![4, 2, 0]);
        assert_eq!(fixed.shots(0, "x", 2), [2, 0]);
        assert_eq!(fixed.shots(9, "y", 7), [4, 2, 0]);
        let none: [&str; 0] = [];
        assert!(RandomShots::new(none, 0).is_err());
        assert!(Bm25Shots::new(&Bm25Config::new(), none).is_err());
    }
}
