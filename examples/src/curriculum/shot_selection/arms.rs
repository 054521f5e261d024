//! What each arm puts before a query.

use anyhow::Result;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::text::{Bm25, Bm25Config, Bm25Shots, FixedShots, RandomShots, Shots};

use super::corpus::Pair;
use super::prompt::{LONGEST, Task};

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
            WITHIN => places
                .iter()
                .cycle()
                .skip(1)
                .take(places.len())
                .copied()
                .collect(),
            OTHERS => places.iter().map(|place| self.partners[*place]).collect(),
            _ => places.clone(),
        };
        let shots = places.iter().zip(sources);
        let shots: Vec<(&str, &str)> = shots
            .map(|(place, source)| (self.input(*place), self.output(source)))
            .collect();
        let mut prompt = if arm == AS_LONG {
            let own = retrieved();
            let own: Vec<(&str, &str)> = own
                .iter()
                .map(|place| (self.input(*place), self.output(*place)))
                .collect();
            let all = self.task.examples(&own, input, self.longest);
            self.task.filled(&shots, all.chars().count(), self.longest)
        } else {
            self.task.examples(&shots, input, self.longest)
        };
        prompt += &self.task.query(input);
        prompt
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::model::{LanguageModel, Ngrams};
    use super::*;

    fn pairs() -> Vec<Pair> {
        let pair = |number: usize| {
            let input = format!("fn f{number}() {{ word{} text{} }}", number % 7, number % 5);
            (input, format!("Returns word{} of it.", number % 7))
        };
        (0..35).map(pair).collect()
    }

    #[test]
    fn nobody_keeps_its_output_among_others() {
        let pairs = pairs();
        let pool = Pool::new(Task::Describe, &pairs, 3, Broken::No).unwrap();
        let mut partners = pool.partners.clone();
        assert!(
            partners
                .iter()
                .enumerate()
                .all(|(place, other)| place != *other)
        );
        partners.sort_unstable();
        assert_eq!(partners, (0..pairs.len()).collect::<Vec<_>>());
    }

    #[test]
    fn random_shots_are_at_most_as_long() {
        let pairs = pairs();
        let pool = Pool::new(Task::Describe, &pairs, 3, Broken::No).unwrap();
        for (number, query) in pairs.iter().enumerate() {
            let long = |arm| pool.prompt(arm, number, query, 4).len();
            let (own, random) = (long(BM25), long(AS_LONG));
            assert!(random <= own && random + 60 > own, "{own} {random}");
            assert_eq!(long(NONE), Task::Describe.query(&query.0).len());
        }
    }

    #[test]
    fn faults_change_the_shots_or_their_outputs() {
        let pairs = pairs();
        let of = |broken| {
            let pool = Pool::new(Task::Describe, &pairs, 3, broken).unwrap();
            pool.prompt(BM25, 0, &pairs[0], 2)
        };
        assert_eq!(of(Broken::No).matches("word0").count(), 2 * 2 + 1);
        let shifted = of(Broken::Shifted);
        assert_eq!(shifted.matches("Returns word1").count(), 2);
        assert_eq!(of(Broken::Negated).matches("word0").count(), 1);
    }

    /// A model of counts cannot see which output belongs to which input: where nothing is cut for room, the same n-grams are in the prompt.
    #[test]
    fn outputs_that_go_round_are_the_same_to_counts() {
        let pairs = pairs();
        let pool = Pool::new(Task::Describe, &pairs, 3, Broken::No).unwrap();
        let model = Ngrams::fit("fn x() { word1 }");
        for (number, query) in pairs.iter().enumerate() {
            let prompts = [BM25, WITHIN].map(|arm| pool.prompt(arm, number, query, 4));
            let bits = prompts.map(|prompt| model.bits(&prompt, &[&query.1]).unwrap()[0]);
            assert!((bits[0] - bits[1]).abs() < 1e-9, "{bits:?}");
        }
    }
}
