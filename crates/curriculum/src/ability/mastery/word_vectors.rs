//! # WordVectorsConfig
//!
//! Vectors of students, problems and skills from sequences in which they occur together, so that "behaves alike" means "close"
//!
//! Source: Mikolov et al. 2013, arXiv 1310.4546 (negative samples), as "Scalable and Equitable Math Problem Solving Strategy Prediction in Big
//! Educational Data", arXiv 2308.03892, embeds its log

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::points::Points;
use crate::error::{CurriculumError, Result, check, check_examples, count};
use crate::select::draw::generator;

/// Settings of word vectors; a word is a number, and a sentence a list of these: a student, a problem and a skill of one step of a log, or a walk of
/// [`Node2Vec`](super::Node2Vec).
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `width` | 300 | numbers of a vector, 1 to 4096 |
/// | `window` | 8 | words on each side that are context, 1 to 1000; each time fewer by chance, down to 1 |
/// | `negatives` | 5 | words that are told from the right one, 1 to 1000, drawn by their counts to the power of .75 |
/// | `skip_gram` | false | each word of the context from the word alone; false: the word from the mean of its context (CBOW) |
/// | `epochs` | 5 | passes, 1 to 10,000 |
/// | `rate` | .025 | of the first step, above 0 and up to 1; it falls in a line to a 250th |
/// | `frequent` | .001 | of words above such a share of all a part is left out, 0 to 1; 0 leaves none out |
/// | `seed` | 0 | of first vectors, orders and draws |
///
/// The paper's code has a window of 8, and of 4 for sentences of skills that were pruned; the other defaults are those of gensim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct WordVectorsConfig {
    width: usize,
    window: usize,
    negatives: usize,
    skip_gram: bool,
    epochs: usize,
    rate: f64,
    frequent: f64,
    seed: u64,
}

checked_serde!(WordVectorsConfig);

impl Default for WordVectorsConfig {
    fn default() -> Self {
        Self {
            width: 300,
            window: 8,
            negatives: 5,
            skip_gram: false,
            epochs: 5,
            rate: 0.025,
            frequent: 1e-3,
            seed: 0,
        }
    }
}

impl Checked for WordVectorsConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let some = (1..=4096).contains(&self.width);
        count("width", self.width, some, "1 to 4096")?;
        for (field, value) in [("window", self.window), ("negatives", self.negatives)] {
            count(field, value, (1..=1000).contains(&value), "1 to 1000")?;
        }
        let some = (1..=10_000).contains(&self.epochs);
        count("epochs", self.epochs, some, "1 to 10000")?;
        let good = self.rate > 0.0 && self.rate <= 1.0;
        check("rate", self.rate, good, "above 0, up to 1")?;
        let good = (0.0..=1.0).contains(&self.frequent);
        check("frequent", self.frequent, good, "0 to 1")
    }
}

/// Numbers of all vectors at most.
const MOST: usize = 1 << 32;

impl WordVectorsConfig {
    /// 300 numbers from a window of 8, the word from its context.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Numbers of a vector, 1 to 4096.
    #[must_use]
    pub fn with_width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// Words on each side that are context, 1 to 1000.
    #[must_use]
    pub fn with_window(mut self, window: usize) -> Self {
        self.window = window;
        self
    }

    /// Words that are told from the right one, 1 to 1000.
    #[must_use]
    pub fn with_negatives(mut self, negatives: usize) -> Self {
        self.negatives = negatives;
        self
    }

    /// Each word of the context from the word alone, as Node2Vec has it.
    #[must_use]
    pub fn with_skip_gram(mut self, skip_gram: bool) -> Self {
        self.skip_gram = skip_gram;
        self
    }

    /// Passes, 1 to 10,000.
    #[must_use]
    pub fn with_epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// The rate of the first step, above 0 and up to 1.
    #[must_use]
    pub fn with_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// Of words above such a share a part is left out, 0 to 1.
    #[must_use]
    pub fn with_frequent(mut self, frequent: f64) -> Self {
        self.frequent = frequent;
        self
    }

    /// The seed of first vectors, orders and draws.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The vectors of so many words, one a row; a word that no sentence has keeps its first vector, which is near 0. On one core: each step needs
    /// the one before.
    ///
    /// ```
    /// use regimen_curriculum::ability::mastery::WordVectorsConfig;
    ///
    /// // Students 0 and 1 use skill 4, students 2 and 3 use skill 5.
    /// let sentences = [[0, 4], [1, 4], [2, 5], [3, 5]].repeat(200);
    /// let config = WordVectorsConfig::new().with_width(8).with_frequent(0.0);
    /// let vectors = config.fit(&sentences, 6)?;
    /// assert_eq!((vectors.len(), vectors.width()), (6, 8));
    /// # Ok::<(), regimen_curriculum::CurriculumError>(())
    /// ```
    ///
    /// # Errors
    /// If a setting lies outside its range, there is no word or over 2^28, all vectors have over 2^32 numbers, a sentence has a word that is not
    /// below `words`, all are empty, or the vectors grow beyond all bounds.
    pub fn fit(&self, sentences: &[impl AsRef<[usize]>], words: usize) -> Result<Points> {
        self.fit_watched(sentences, words, &Watch::default())
    }

    /// [`fit`](Self::fit), reporting after each pass. Work that is stopped gives the vectors by then.
    ///
    /// # Errors
    /// As for [`fit`](Self::fit).
    #[tracing::instrument(skip_all, name = "word vectors", fields(sentences = sentences.len(), words))]
    pub fn fit_watched(
        &self,
        sentences: &[impl AsRef<[usize]>],
        words: usize,
        watch: &Watch,
    ) -> Result<Points> {
        self.check()?;
        check_examples(words)?;
        let fits = words.saturating_mul(self.width) <= MOST;
        count("words", words, fits, "2^32 numbers in all vectors")?;
        let mut counts = vec![0_u64; words];
        for word in sentences.iter().flat_map(AsRef::as_ref) {
            count("word", *word, *word < words, "below `words`")?;
            counts[*word] += 1;
        }
        let all: u64 = counts.iter().sum();
        count("words of all sentences", all as usize, all > 0, "1 or more")?;
        let mut rng = generator(self.seed, 0);
        let mut model = Model::new(self, &counts, &mut rng);
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        let (mut done, end) = (0.0, all as f64 * self.epochs as f64);
        let mut kept = Vec::new();
        for epoch in 1..=self.epochs {
            let mut rng = generator(self.seed, epoch);
            order.shuffle(&mut rng);
            for place in &order {
                let sentence = sentences[*place].as_ref();
                let rate = self.rate * (1.0 - done / end).max(1.0 / 250.0);
                done += sentence.len() as f64;
                let keeps = |word: &&usize| rng.random::<f64>() < model.keep[**word];
                kept.clear();
                kept.extend(sentence.iter().filter(keeps).copied());
                model.learn(self, &kept, rate as f32, &mut rng);
            }
            if !watch.goes_on("word vectors", epoch, self.epochs) {
                break;
            }
        }
        let values = model.inner.into_iter().map(f64::from);
        Points::new(self.width, values.collect())
    }
}

struct Model {
    width: usize,
    /// Vectors of words as what is looked from: those that are asked for.
    inner: Vec<f32>,
    /// Vectors of words as what is looked for.
    outer: Vec<f32>,
    /// Rising sums of the chances of negatives.
    chances: Vec<f64>,
    /// The chance of each word to be kept.
    keep: Vec<f64>,
    hidden: Vec<f32>,
    change: Vec<f32>,
}

impl Model {
    fn new(config: &WordVectorsConfig, counts: &[u64], rng: &mut impl Rng) -> Self {
        let (width, all) = (config.width, counts.iter().sum::<u64>() as f64);
        let first = |_| (rng.random::<f32>() - 0.5) / width as f32;
        let mut sum = 0.0;
        let chances = counts.iter().map(|count| {
            sum += (*count as f64).powf(0.75);
            sum
        });
        let keep = |count: &u64| {
            // Ratio of the limit to the share; above about 1 all are kept.
            let ratio = config.frequent * all / *count as f64;
            if config.frequent > 0.0 && *count > 0 {
                ratio.sqrt() + ratio
            } else {
                1.0
            }
        };
        Self {
            inner: (0..counts.len() * width).map(first).collect(),
            outer: vec![0.0; counts.len() * width],
            chances: chances.collect(),
            keep: counts.iter().map(keep).collect(),
            hidden: vec![0.0; width],
            change: vec![0.0; width],
            width,
        }
    }

    fn learn(
        &mut self,
        config: &WordVectorsConfig,
        sentence: &[usize],
        rate: f32,
        rng: &mut impl Rng,
    ) {
        for (place, word) in sentence.iter().enumerate() {
            let window = rng.random_range(1..=config.window);
            let from = place.saturating_sub(window);
            let to = (place + window + 1).min(sentence.len());
            let context = [&sentence[from..place], &sentence[place + 1..to]];
            let others = context[0].iter().chain(context[1]);
            if config.skip_gram {
                for other in others {
                    self.step(&[*word], *other, config.negatives, rate, rng);
                }
            } else if to - from > 1 {
                let others: Vec<usize> = others.copied().collect();
                self.step(&others, *word, config.negatives, rate, rng);
            }
        }
    }

    /// One step: the mean of the vectors of `from` is to tell `wanted` from words that are drawn.
    fn step(
        &mut self,
        from: &[usize],
        wanted: usize,
        negatives: usize,
        rate: f32,
        rng: &mut impl Rng,
    ) {
        let width = self.width;
        let row = |word: usize| word * width..(word + 1) * width;
        self.hidden.fill(0.0);
        self.change.fill(0.0);
        let share = 1.0 / from.len() as f32;
        for word in from {
            let vector = self.inner[row(*word)].iter();
            for (hidden, value) in self.hidden.iter_mut().zip(vector) {
                *hidden += share * value;
            }
        }
        for drawn in 0..=negatives {
            let word = if drawn == 0 {
                wanted
            } else {
                self.negative(rng)
            };
            if drawn > 0 && word == wanted {
                continue;
            }
            let outer = &mut self.outer[row(word)];
            let products = outer.iter().zip(&self.hidden).map(|(a, b)| a * b);
            let chance = 1.0 / (1.0 + (-products.sum::<f32>()).exp());
            let gain = rate * (f32::from(u8::from(drawn == 0)) - chance);
            let all = outer.iter_mut().zip(&self.hidden).zip(&mut self.change);
            for ((outer, hidden), change) in all {
                *change += gain * *outer;
                *outer += gain * hidden;
            }
        }
        for word in from {
            let vector = self.inner[row(*word)].iter_mut();
            for (value, change) in vector.zip(&self.change) {
                *value += change;
            }
        }
    }

    fn negative(&self, rng: &mut impl Rng) -> usize {
        let all = self.chances.last().copied().unwrap_or(0.0);
        let drawn = rng.random::<f64>() * all;
        let place = self.chances.partition_point(|sum| *sum <= drawn);
        place.min(self.chances.len() - 1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ability::mastery::{KMeansConfig, Node2Vec};

    fn cosine(a: &[f64], b: &[f64]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    /// Ten students and ten skills of two kinds: sentences of the kinds hold no common word.
    fn log() -> Vec<Vec<usize>> {
        let mut rng = generator(5, 0);
        let mut sentence = |at: usize| {
            let kind = at % 2;
            let mut of = |first: usize| first + 2 * rng.random_range(0..5) + kind;
            vec![of(0), of(10), of(10)]
        };
        (0..3000).map(&mut sentence).collect()
    }

    #[test]
    fn words_of_the_same_company_are_close() {
        for skip_gram in [false, true] {
            let config = WordVectorsConfig::new().with_width(16).with_frequent(0.0);
            let config = config.with_skip_gram(skip_gram).with_epochs(30);
            let vectors = config.fit(&log(), 20).unwrap();
            let rows: Vec<&[f64]> = vectors.rows().collect();
            // Students among themselves, and skills.
            for all in [0..10, 10..20] {
                let (mut same, mut other) = (0.0, 0.0);
                let pairs = all
                    .clone()
                    .flat_map(|a| (all.start..a).map(move |b| (a, b)));
                for (a, b) in pairs {
                    let found = cosine(rows[a], rows[b]);
                    if a % 2 == b % 2 {
                        same += found / 20.0;
                    } else {
                        other += found / 25.0;
                    }
                }
                assert!(same > other + 0.5, "{skip_gram}: {same} {other}");
                let points = Points::of_rows(&rows[all]).unwrap();
                let clusters = KMeansConfig::new(2).fit(&points).unwrap().assignment;
                assert!((0..10).all(|word| clusters[word] == clusters[word % 2]));
            }
        }
    }

    /// Two rings with one edge between them, walked.
    #[test]
    fn walks_of_a_graph_are_sentences() {
        let ring = |first: usize| (0..8).map(move |at| (first + at, first + (at + 1) % 8, 1.0));
        let edges: Vec<_> = ring(0).chain(ring(8)).chain([(0, 8, 1.0)]).collect();
        let graph = Node2Vec::new(16, &edges, 1.0, 1.0).unwrap();
        let mut rng = generator(1, 0);
        let walks = (0..1600).map(|at| graph.walk(at % 16, 12, &mut rng));
        let walks: Vec<Vec<usize>> = walks.collect();
        let config = WordVectorsConfig::new().with_width(16).with_window(4);
        let config = config.with_skip_gram(true).with_frequent(0.0);
        let vectors = config.fit(&walks, 16).unwrap();
        let rows: Vec<&[f64]> = vectors.rows().collect();
        // Far from the bridge, a neighbour is closer than the node across.
        assert!(cosine(rows[4], rows[5]) > cosine(rows[4], rows[12]) + 0.2);
    }

    #[test]
    fn a_seed_gives_the_same_vectors_and_a_stop_the_first_ones() {
        let config = WordVectorsConfig::new().with_width(4).with_epochs(2);
        let fit = |seed| config.clone().with_seed(seed).fit(&log(), 21).unwrap();
        assert_eq!(fit(1), fit(1));
        assert_ne!(fit(1), fit(2));
        // The last word is in no sentence.
        assert!(
            fit(1)
                .rows()
                .nth(20)
                .unwrap()
                .iter()
                .all(|x| x.abs() <= 0.125)
        );
        let stop = Watch::new().until(|| true);
        let stopped = config.fit_watched(&log(), 21, &stop).unwrap();
        assert_ne!(stopped, config.fit(&log(), 21).unwrap());
    }

    /// Half of the words are one, of which a part is left out.
    #[test]
    fn frequent_words_are_left_out_by_their_share() {
        let counts = [500, 499, 1, 0];
        let config = WordVectorsConfig::new().with_width(1);
        let keep = Model::new(&config, &counts, &mut generator(0, 0)).keep;
        assert!((keep[0] - (0.002_f64.sqrt() + 0.002)).abs() < 1e-12);
        assert!(keep[2] >= 1.0 && keep[3] >= 1.0);
    }

    #[test]
    fn sentences_of_other_words_and_of_none_are_refused() {
        let config = WordVectorsConfig::new().with_width(2);
        assert!(config.fit(&[[0, 2]], 2).is_err());
        assert!(config.fit(&[[0; 0]], 2).is_err());
        assert!(config.fit(&[[0, 1]], 0).is_err());
        assert!(config.clone().with_width(0).fit(&[[0, 1]], 2).is_err());
        assert!(config.with_window(0).fit(&[[0, 1]], 2).is_err());
    }
}
