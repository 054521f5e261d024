//! What each arm puts before a query.

use anyhow::Result;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::text::{Bm25, Bm25Config, Bm25Shots, FixedShots, RandomShots, Shots};

use super::corpus::Pair;
use super::prompt::Task;
use super::tune::LONGEST;

pub(super) const NONE: &str = "none";
pub(super) const FIXED: &str = "fixed";
pub(super) const RANDOM: &str = "random";
/// Random shots with as many characters as those of BM25.
pub(super) const AS_LONG: &str = "random, as long";
pub(super) const BM25: &str = "bm25";
/// The shots of BM25, whose outputs go round among them.
pub(super) const WITHIN: &str = "bm25, outputs exchanged within the prompt";
/// The shots of BM25 with the outputs of other examples of the pool.
pub(super) const OTHERS: &str = "bm25, outputs of others";
/// Chosen by the likeness of the outputs to the true one.
pub(super) const ORACLE: &str = "oracle";

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    No,
    /// The pool's outputs are shifted by one.
    Shifted,
    /// The scores are negated.
    Negated,
}

/// The choices from a pool.
pub(super) struct Pool<'a> {
    task: Task,
    pairs: &'a [Pair],
    /// Whose output each has where outputs are those of others.
    partners: Vec<usize>,
    fixed: FixedShots,
    random: RandomShots,
    by_input: Bm25Shots,
    by_output: Bm25Shots,
    /// By input, for negated scores.
    index: Bm25,
    broken: Broken,
    /// Characters that are left of a shot's input.
    longest: usize,
}

impl<'a> Pool<'a> {
    pub(super) fn new(task: Task, pairs: &'a [Pair], seed: u64, broken: Broken) -> Result<Self> {
        let config = Bm25Config::new();
        let inputs = || pairs.iter().map(|pair| &pair.0);
        let outputs = pairs.iter().map(|pair| &pair.1);
        let places: Vec<usize> = (0..pairs.len()).collect();
        // A cycle through the pool in random order: nobody keeps its own.
        let mut order = places.clone();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut partners = places.clone();
        for (place, one) in order.iter().enumerate() {
            partners[*one] = order[(place + 1) % order.len()];
        }
        Ok(Self {
            task,
            pairs,
            partners,
            fixed: FixedShots::new(places),
            random: RandomShots::new(inputs(), seed)?,
            by_input: Bm25Shots::new(&config, inputs())?,
            by_output: Bm25Shots::new(&config, outputs)?,
            index: config.init(inputs())?,
            broken,
            longest: LONGEST,
        })
    }

    /// The inputs of shots cut to another length.
    pub(super) fn with_longest(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// The places of BM25's choice, the most similar last.
    fn retrieved(&self, number: u64, input: &str, count: usize) -> Vec<usize> {
        if self.broken != Broken::Negated {
            return self.by_input.shots(number, input, count);
        }
        let mut places = self.index.top(input, self.pairs.len());
        places.reverse();
        places.truncate(count);
        places.into_iter().rev().map(|hit| hit.document).collect()
    }

    fn input(&self, place: usize) -> &str {
        &self.pairs[place].0
    }

    fn output(&self, place: usize) -> &str {
        let shift = usize::from(self.broken == Broken::Shifted);
        &self.pairs[(place + shift) % self.pairs.len()].1
    }

    /// The prompt of an arm for a query of this number.
    pub(super) fn prompt(&self, arm: &str, number: usize, query: &Pair, count: usize) -> String {
        let (input, output) = query;
        let id = number as u64;
        let retrieved = || self.retrieved(id, input, count);
        let places = match arm {
            FIXED => self.fixed.shots(id, input, count),
            RANDOM => self.random.shots(id, input, count),
            AS_LONG => self.random.shots(id, input, self.pairs.len()),
            BM25 | WITHIN | OTHERS => retrieved(),
            ORACLE => self.by_output.shots(id, output, count),
            _ => Vec::new(),
        };
        let sources = match arm {
            WITHIN => places.iter().cycle().skip(1).take(places.len()).copied().collect(),
            OTHERS => places.iter().map(|place| self.partners[*place]).collect(),
            _ => places.clone(),
        };
        let shots = places.iter().zip(sources);
        let shots: Vec<(&str, &str)> = shots.map(|(place, source)| (self.input(*place), self.output(source))).collect();
        let mut prompt = if arm == AS_LONG {
            let own = retrieved();
            let own: Vec<(&str, &str)> = own.iter().map(|place| (self.input(*place), self.output(*place))).collect();
            let all = self.task.examples(&own, input, self.longest);
            self.task.filled(&shots, all.chars().count(), self.longest)
        } else {
            self.task.examples(&shots, input, self.longest)
        };
        prompt += &self.task.query(input);
        prompt
    }
}
