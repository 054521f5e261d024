//! # Bm25
//!
//! Which documents share rare words with a query.
//!
//! Source: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond"; the variants of Kamphuis et al. 2020,
//! "Which BM25 Do You Mean?", and Lv and Zhai 2011 (BM25L, BM25+); the floor of inverse frequencies of the library rank_bm25

use rayon::prelude::*;
use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::ngrams::Map;
use super::tokens::{TextTokens, number};
use crate::error::{CurriculumError, Result, check};

/// How often a word occurs, and in how many documents, to its weight.
///
/// With `N` documents, `n` that hold the word, `f` times in this one, and `K = k1 (1 - b + b length / mean length)`:
///
/// | variant | inverse frequency | weight |
/// |---|---|---|
/// | `Okapi` | `ln((N - n + 1/2) / (n + 1/2))`; below 0, a quarter of the mean over the words | `f (k1 + 1) / (f + K)` |
/// | `Robertson` | `ln((N - n + 1/2) / (n + 1/2))`, at least 0 | `f (k1 + 1) / (f + K)` |
/// | `Lucene` | `ln(1 + (N - n + 1/2) / (n + 1/2))` | `f (k1 + 1) / (f + K)` |
/// | `Lucene8` | `ln(1 + (N - n + 1/2) / (n + 1/2))` | `f / (f + K)` |
/// | `Atire` | `ln(N / n)` | `f (k1 + 1) / (f + K)` |
/// | `L` | `ln((N + 1) / (n + 1/2))` | `(k1 + 1) (c + delta) / (k1 + c + delta)`, `c = f k1 / K` |
/// | `Plus` | `ln((N + 1) / n)` | `f (k1 + 1) / (f + K) + delta` |
///
/// The last two give a document without the word a weight too, with `f = 0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Bm25Variant {
    /// As the library rank_bm25 has it.
    #[default]
    Okapi,
    /// A word of more than half of the documents counts nothing.
    Robertson,
    /// Never negative. Lucene's own `k1` is 1.2; the default of [`Bm25Config`] is rank_bm25's.
    Lucene,
    /// As Lucene from version 8: the same order as [`Lucene`](Self::Lucene), without the constant factor.
    Lucene8,
    /// As the engine ATIRE.
    Atire,
    /// Less severe with long documents.
    L {
        /// Added to what was found, 0 or more; .5 in the paper.
        delta: f64,
    },
    /// Less severe with long documents.
    Plus {
        /// Added to each weight, 0 or more; 1 in the paper.
        delta: f64,
    },
}

/// Settings of [`Bm25`].
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `k1` | 1.5 | how slowly more of the same word stops to count, 0 or more; 0: presence alone |
/// | `b` | .75 | how much long documents are discounted, 0 to 1 |
/// | `variant` | `Okapi` | the formula |
/// | `tokens` | words in lower case | what a word is |
///
/// ```
/// use regimen_curriculum::text::Bm25Config;
///
/// let pool = ["sum of a list", "is the list empty", "read a file"];
/// let index = Bm25Config::new().init(pool)?;
/// let best = index.top("the sum of two lists", 1);
/// assert_eq!(best[0].document, 0);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Bm25Config {
    k1: f64,
    b: f64,
    variant: Bm25Variant,
    tokens: TextTokens,
}

checked_serde!(Bm25Config);

impl Default for Bm25Config {
    fn default() -> Self {
        Self {
            k1: 1.5,
            b: 0.75,
            variant: Bm25Variant::default(),
            tokens: TextTokens::default(),
        }
    }
}

impl Checked for Bm25Config {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let within = |value: f64| (0.0..=1e6).contains(&value);
        check("k1", self.k1, within(self.k1), "0 to 1000000")?;
        check("b", self.b, (0.0..=1.0).contains(&self.b), "0 to 1")?;
        match self.variant {
            Bm25Variant::L { delta } | Bm25Variant::Plus { delta } => {
                check("delta", delta, within(delta), "0 to 1000000")
            }
            _ => Ok(()),
        }
    }
}

impl Bm25Config {
    /// Okapi's formula with `k1` 1.5 and `b` .75 over words in lower case.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How slowly more of the same word stops to count, 0 or more.
    #[must_use]
    pub fn with_k1(mut self, k1: f64) -> Self {
        self.k1 = k1;
        self
    }

    /// How much long documents are discounted, 0 to 1.
    #[must_use]
    pub fn with_b(mut self, b: f64) -> Self {
        self.b = b;
        self
    }

    /// The formula.
    #[must_use]
    pub fn with_variant(mut self, variant: Bm25Variant) -> Self {
        self.variant = variant;
        self
    }

    /// What a word is.
    #[must_use]
    pub fn with_tokens(mut self, tokens: TextTokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// Indexes documents; they are read once and not kept.
    ///
    /// # Errors
    /// If a setting lies outside its range, or there are more than 2^32 - 1 documents or different words.
    pub fn init<D: AsRef<str>>(&self, documents: impl IntoIterator<Item = D>) -> Result<Bm25> {
        self.init_watched(documents, &Watch::default())
    }

    /// [`init`](Self::init), reporting every 1,024 documents, of as many as the iterator announces. Work that is stopped gives the index
    /// of the documents before.
    ///
    /// # Errors
    /// As for [`init`](Self::init).
    #[tracing::instrument(skip_all, name = "bm25")]
    pub fn init_watched<D: AsRef<str>>(
        &self,
        documents: impl IntoIterator<Item = D>,
        watch: &Watch,
    ) -> Result<Bm25> {
        self.check()?;
        let documents = documents.into_iter();
        let announced = documents.size_hint().0;
        let mut counts = Counts::default();
        for (done, document) in documents.enumerate() {
            counts.add(document.as_ref(), self.tokens)?;
            let done = done + 1;
            if done.is_multiple_of(1024) && !watch.goes_on("bm25", done, announced.max(done)) {
                break;
            }
        }
        Ok(counts.index(self))
    }
}

/// How often each word occurs in each document.
#[derive(Default)]
struct Counts {
    words: Map<String, u32>,
    /// Word, document, times.
    found: Vec<(u32, u32, u32)>,
    lengths: Vec<u32>,
}

impl Counts {
    fn add(&mut self, document: &str, tokens: TextTokens) -> Result<()> {
        let place = number("documents", self.lengths.len())?;
        let (mut ids, mut new) = (Vec::new(), Ok(()));
        tokens.for_each(document, |token| {
            let next = self.words.len();
            match self.words.get(token) {
                Some(id) => ids.push(*id),
                None => match number("words", next) {
                    Ok(id) => {
                        self.words.insert(token.to_owned(), id);
                        ids.push(id);
                    }
                    Err(error) => new = Err(error),
                },
            }
        });
        new?;
        self.lengths.push(number("words of a document", ids.len())?);
        ids.sort_unstable();
        for same in ids.chunk_by(|a, b| a == b) {
            self.found.push((same[0], place, same.len() as u32));
        }
        Ok(())
    }

    fn index(mut self, config: &Bm25Config) -> Bm25 {
        // By word, and by document within it.
        self.found.par_sort_unstable();
        let documents = self.lengths.len();
        let all: f64 = self.lengths.iter().map(|length| f64::from(*length)).sum();
        let mean = (all / documents.max(1) as f64).max(f64::MIN_POSITIVE);
        let mut starts = vec![0; self.words.len() + 1];
        for (word, ..) in &self.found {
            starts[*word as usize + 1] += 1;
        }
        for word in 0..self.words.len() {
            starts[word + 1] += starts[word];
        }
        let holders = starts.windows(2).map(|ends| (ends[1] - ends[0]) as f64);
        let weights = config.inverse(&holders.collect::<Vec<_>>(), documents as f64);
        let weigh = |(word, document, times): &(u32, u32, u32)| {
            let length = f64::from(self.lengths[*document as usize]) / mean;
            let absent = config.weight(0.0, 0.0);
            let weight = config.weight(f64::from(*times), length) - absent;
            (*document, (weights[*word as usize] * weight) as f32)
        };
        let postings = self.found.par_iter().map(weigh).collect();
        let absent = weights
            .iter()
            .map(|weight| weight * config.weight(0.0, 0.0));
        Bm25 {
            absent: absent.collect(),
            tokens: config.tokens,
            words: self.words,
            documents,
            starts,
            postings,
        }
    }
}

impl Bm25Config {
    /// The inverse frequency of each word, from the numbers of documents that hold it.
    fn inverse(&self, holders: &[f64], documents: f64) -> Vec<f64> {
        let odds = |n: f64| (documents - n + 0.5) / (n + 0.5);
        let of = |n: f64| match self.variant {
            Bm25Variant::Okapi => odds(n).ln(),
            Bm25Variant::Robertson => odds(n).ln().max(0.0),
            Bm25Variant::Lucene | Bm25Variant::Lucene8 => odds(n).ln_1p(),
            Bm25Variant::Atire => (documents / n).ln(),
            Bm25Variant::L { .. } => ((documents + 1.0) / (n + 0.5)).ln(),
            Bm25Variant::Plus { .. } => ((documents + 1.0) / n).ln(),
        };
        let mut weights: Vec<f64> = holders.iter().map(|n| of(*n)).collect();
        if self.variant == Bm25Variant::Okapi {
            let floor = 0.25 * weights.iter().sum::<f64>() / weights.len().max(1) as f64;
            for weight in weights.iter_mut().filter(|weight| **weight < 0.0) {
                *weight = floor;
            }
        }
        weights
    }

    /// The weight of a word that occurs so many times in a document of this length, over the mean length.
    fn weight(&self, times: f64, length: f64) -> f64 {
        let Self { k1, b, .. } = *self;
        let discount = 1.0 - b + b * length;
        let share = |factor: f64| {
            if times > 0.0 {
                factor * times / (times + k1 * discount)
            } else {
                0.0
            }
        };
        match self.variant {
            Bm25Variant::Lucene8 => share(1.0),
            Bm25Variant::L { delta } => {
                let found = if times > 0.0 { times / discount } else { 0.0 } + delta;
                if found > 0.0 {
                    (k1 + 1.0) * found / (k1 + found)
                } else {
                    0.0
                }
            }
            Bm25Variant::Plus { delta } => share(k1 + 1.0) + delta,
            _ => share(k1 + 1.0),
        }
    }
}

/// A document that was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Its place in the pool.
    pub document: usize,
    /// Its score: of one query, higher is better; it says nothing between queries.
    pub score: f32,
}

/// An index of documents by their words. Scores are added in 32-bit floats.
#[derive(Clone, Debug)]
pub struct Bm25 {
    tokens: TextTokens,
    words: Map<String, u32>,
    documents: usize,
    /// Of each word, where its documents begin in `postings`; the last entry is their number.
    starts: Vec<usize>,
    /// Document and weight, above that of a document without the word.
    postings: Vec<(u32, f32)>,
    /// Of each word, the weight of a document without it.
    absent: Vec<f64>,
}

impl Bm25 {
    /// Documents in the pool.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.documents
    }

    /// The score of each document. A word that the query holds twice counts twice; one that no document has counts nothing.
    #[must_use]
    pub fn scores(&self, query: &str) -> Vec<f32> {
        let mut scores = Vec::new();
        self.score_into(query, &mut scores);
        scores
    }

    fn score_into(&self, query: &str, scores: &mut Vec<f32>) {
        scores.clear();
        scores.resize(self.documents, 0.0);
        let mut absent = 0.0;
        self.tokens.for_each(query, |token| {
            if let Some(word) = self.words.get(token) {
                let word = *word as usize;
                absent += self.absent[word];
                for (document, weight) in &self.postings[self.starts[word]..self.starts[word + 1]] {
                    scores[*document as usize] += weight;
                }
            }
        });
        if absent != 0.0 {
            scores.iter_mut().for_each(|score| *score += absent as f32);
        }
    }

    /// The `count` documents of the highest scores, best first, those of one score in the pool's order; fewer where the pool has fewer.
    #[must_use]
    pub fn top(&self, query: &str, count: usize) -> Vec<Hit> {
        self.top_into(query, count, &mut Vec::new())
    }

    pub(super) fn top_into(&self, query: &str, count: usize, scores: &mut Vec<f32>) -> Vec<Hit> {
        self.score_into(query, scores);
        let count = count.min(self.documents);
        if count == 0 {
            return Vec::new();
        }
        let order = |a: &Hit, b: &Hit| {
            let by_score = b.score.total_cmp(&a.score);
            by_score.then(a.document.cmp(&b.document))
        };
        let mut best: Vec<Hit> = Vec::with_capacity(2 * count);
        let mut least = f32::NEG_INFINITY;
        for (document, score) in scores.iter().enumerate() {
            // A later document of the same score stands behind all that are kept.
            if best.len() < count || *score > least {
                let score = *score;
                best.push(Hit { document, score });
                if best.len() == 2 * count {
                    best.select_nth_unstable_by(count - 1, order);
                    best.truncate(count);
                    least = best[count - 1].score;
                }
            }
        }
        best.sort_unstable_by(order);
        best.truncate(count);
        best
    }

    /// [`top`](Self::top) of many queries, on all cores.
    #[must_use]
    pub fn top_of_all<Q: AsRef<str> + Sync>(&self, queries: &[Q], count: usize) -> Vec<Vec<Hit>> {
        self.top_of_all_watched(queries, count, &Watch::default())
    }

    /// [`top_of_all`](Self::top_of_all), reporting every 256 queries. Work that is stopped gives the answers to the queries before.
    #[tracing::instrument(skip_all, name = "bm25 queries", fields(queries = queries.len()))]
    #[must_use]
    pub fn top_of_all_watched<Q: AsRef<str> + Sync>(
        &self,
        queries: &[Q],
        count: usize,
        watch: &Watch,
    ) -> Vec<Vec<Hit>> {
        let mut found = Vec::with_capacity(queries.len());
        for some in queries.chunks(256) {
            let answers = some.par_iter().map_init(Vec::new, |scores, query| {
                self.top_into(query.as_ref(), count, scores)
            });
            found.par_extend(answers);
            if !watch.goes_on("bm25 queries", found.len(), queries.len()) {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const POOL: [&str; 5] = [
        "assert equals result expected",
        "check list is empty",
        "assert not null result",
        "return sum of list",
        "check result equals null",
    ];
    const QUERY: &str = "assert result equals null";

    fn close(found: &[f32], wanted: &[f64]) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(
                (f64::from(*found) - wanted).abs() < 1e-6,
                "{found} {wanted}"
            );
        }
    }

    fn with(variant: Bm25Variant, k1: f64) -> Bm25 {
        let config = Bm25Config::new().with_variant(variant).with_k1(k1);
        config.init(POOL).unwrap()
    }

    #[test]
    fn scores_of_the_pool() {
        let okapi = Bm25Config::new().init(POOL).unwrap();
        close(
            &okapi.scores(QUERY),
            &[0.846_717, 0.0, 0.846_717, 0.0, 0.846_717],
        );
        let lucene = with(Bm25Variant::Lucene, 1.2);
        close(
            &lucene.scores(QUERY),
            &[2.289_934, 0.0, 2.289_934, 0.0, 2.289_934],
        );
        close(
            &lucene.scores("assert"),
            &[0.875_469, 0.0, 0.875_469, 0.0, 0.0],
        );
        close(
            &okapi.scores("assert"),
            &[0.336_472, 0.0, 0.336_472, 0.0, 0.0],
        );
        close(
            &okapi.scores("assert assert"),
            &[0.672_945, 0.0, 0.672_945, 0.0, 0.0],
        );
        close(&okapi.scores("unknown"), &[0.0; 5]);
        let eight = with(Bm25Variant::Lucene8, 1.2);
        close(
            &eight.scores("assert"),
            &[0.875_469 / 2.2, 0.0, 0.875_469 / 2.2, 0.0, 0.0],
        );
    }

    #[test]
    fn a_word_of_most_documents_has_the_floor() {
        let index = Bm25Config::new()
            .init(["a b", "a c", "a d", "e f"])
            .unwrap();
        close(
            &index.scores("a"),
            &[0.141_216_3, 0.141_216_3, 0.141_216_3, 0.0],
        );
        let robertson = Bm25Config::new().with_variant(Bm25Variant::Robertson);
        let index = robertson.init(["a b", "a c", "a d", "e f"]).unwrap();
        close(&index.scores("a"), &[0.0; 4]);
        // Of exactly half of the documents.
        let index = Bm25Config::new().init(["a", "b"]).unwrap();
        close(&index.scores("a"), &[0.0; 2]);
    }

    /// By each formula as its paper writes it.
    #[test]
    fn variants_by_hand() {
        let pool = ["a a b", "b c c c d e", "c"];
        let (n, mean) = (3.0_f64, 10.0 / 3.0);
        let (k1, b) = (1.5_f64, 0.75);
        let at = |tf: f64, length: f64| tf * (k1 + 1.0) / (tf + k1 * (1.0 - b + b * length / mean));
        let index = |variant| Bm25Config::new().with_variant(variant).init(pool).unwrap();
        let atire = (n / 2.0).ln();
        close(
            &index(Bm25Variant::Atire).scores("c"),
            &[0.0, atire * at(3.0, 6.0), atire * at(1.0, 1.0)],
        );
        let plus = ((n + 1.0) / 2.0).ln();
        close(
            &index(Bm25Variant::Plus { delta: 1.0 }).scores("c"),
            &[
                plus,
                plus * (at(3.0, 6.0) + 1.0),
                plus * (at(1.0, 1.0) + 1.0),
            ],
        );
        let l = ((n + 1.0) / 2.5).ln();
        let at = |tf: f64, length: f64| {
            let c = tf / (1.0 - b + b * length / mean) + 0.5;
            (k1 + 1.0) * c / (k1 + c)
        };
        close(
            &index(Bm25Variant::L { delta: 0.5 }).scores("c"),
            &[l * at(0.0, 3.0), l * at(3.0, 6.0), l * at(1.0, 1.0)],
        );
    }

    #[test]
    fn limits_of_the_settings() {
        let pool = ["a a a a b c d e f g", "a b", "x y", "z w", "v u", "t s"];
        let presence = Bm25Config::new().with_k1(0.0).init(pool).unwrap();
        let scores = presence.scores("a");
        assert_eq!(scores[0], scores[1]);
        let flat = Bm25Config::new().with_b(0.0).init(pool).unwrap();
        let scores = flat.scores("b");
        assert_eq!(scores[0], scores[1]);
        let scores = flat.scores("a");
        let bound = 2.5 * f64::from(presence.scores("a")[0]);
        assert!(scores[0] > scores[1] && f64::from(scores[0]) < bound);
    }

    #[test]
    fn the_best_in_the_order_of_the_pool() {
        let index = Bm25Config::new().init(POOL).unwrap();
        let places = |count| {
            let top = index.top(QUERY, count);
            top.iter().map(|hit| hit.document).collect::<Vec<_>>()
        };
        assert_eq!(places(2), [0, 2]);
        assert_eq!(places(9), [0, 2, 4, 1, 3]);
        assert!(places(0).is_empty());
        let many: Vec<String> = (0..3000)
            .map(|i| format!("w{} w{}", i % 7, i % 11))
            .collect();
        let index = Bm25Config::new().init(&many).unwrap();
        let queries = ["w3 w4", "w1", "w9 w9 w2", ""];
        for (query, hits) in queries.iter().zip(index.top_of_all(&queries, 40)) {
            let scores = index.scores(query);
            let mut all: Vec<usize> = (0..many.len()).collect();
            all.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
            let found: Vec<usize> = hits.iter().map(|hit| hit.document).collect();
            assert_eq!(found, all[..40]);
        }
    }

    #[test]
    fn an_empty_pool_and_empty_documents() {
        let empty = Bm25Config::new().init(Vec::<String>::new()).unwrap();
        assert!(empty.top("a", 3).is_empty());
        let blank = Bm25Config::new().init(["", ""]).unwrap();
        assert_eq!(blank.scores("a"), [0.0, 0.0]);
    }
}
