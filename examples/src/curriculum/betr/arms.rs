//! Which documents each arm keeps.

use anyhow::Result;
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::text::{
    Aggregation, Likeness, LikenessConfig, TextClassifier, TextClassifierConfig, Threshold,
    Vectors, centroid,
};

use super::corpus::{Corpus, DIMENSIONS, Source};

pub(super) const BETR: &str = "betr";
pub(super) const DIRECT: &str = "target versus pool";
pub(super) const MEAN: &str = "mean log2 rank";
pub(super) const CENTROID: &str = "centroid";
pub(super) const ALONE: &str = "best rank alone";
pub(super) const MEAN_ALONE: &str = "mean log2 rank alone";
pub(super) const RANDOM: &str = "random";
pub(super) const KNOWN: &str = "random of Matthew and Luke";
pub(super) const WHOLE: &str = "whole pool";

/// The share of tokens that is kept.
pub(super) const KEPT: f64 = 0.1;

/// How the method is broken on purpose.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// Not at all.
    No,
    /// The targets are ranked for each document: the best rank is 1 for all of them.
    RanksOfTargets,
    /// The positives are the documents of the worst ranks.
    WorstRanks,
}

/// The selections of one pool.
pub(super) struct Select<'a> {
    corpus: &'a Corpus,
    pool: Vec<f32>,
    targets: Vec<f32>,
    seed: u64,
    broken: Broken,
}

/// What a classifier makes of the pool.
pub(super) struct Fitted {
    /// The documents, the best first. Every arm keeps as many tokens: the first of them.
    pub(super) order: Vec<usize>,
    /// The share of tokens that the threshold of held-out documents keeps.
    pub(super) by_threshold: f64,
}

/// What a classifier imitates.
#[derive(Clone, Copy)]
enum Likened {
    /// Ranks under each target, aggregated.
    ByRanks(Aggregation),
    /// The cosine with the mean of the targets.
    ToTheMiddle,
}

/// The share of ranked documents that are positives.
const POSITIVE: f64 = 0.1;

/// Labels of the first tenth of an order.
fn first(documents: usize, order: impl Iterator<Item = usize>) -> Vec<bool> {
    let mut labels = vec![false; documents];
    let count = (documents as f64 * POSITIVE) as usize;
    order.take(count).for_each(|place| labels[place] = true);
    labels
}

impl<'a> Select<'a> {
    pub(super) fn new(corpus: &'a Corpus, seed: u64, broken: Broken) -> Self {
        let [pool, targets] = corpus.embeddings(seed);
        Self {
            corpus,
            pool,
            targets,
            seed,
            broken,
        }
    }

    /// Documents that are ranked and that the classifiers are fitted on: half of the pool, which is in random order.
    fn sample(&self) -> usize {
        self.corpus.chunks.len() / 2
    }

    fn likeness(&self, documents: usize, aggregation: Aggregation) -> Result<Likeness> {
        let pool = Vectors::new(&self.pool[..documents * DIMENSIONS], DIMENSIONS)?;
        let targets = Vectors::new(&self.targets, DIMENSIONS)?;
        let config = LikenessConfig::new().with_aggregation(aggregation);
        Ok(config.init(&pool, &targets)?)
    }

    /// What an arm's classifier makes of the pool.
    pub(super) fn fitted(&self, arm: &str, config: &TextClassifierConfig) -> Result<Fitted> {
        let how = match arm {
            DIRECT => return self.direct(config),
            CENTROID => Likened::ToTheMiddle,
            MEAN => Likened::ByRanks(Aggregation::MeanLog),
            _ => Likened::ByRanks(Aggregation::Max),
        };
        self.imitating(how, config)
    }

    /// The classifier that imitates likeness.
    fn imitating(&self, how: Likened, config: &TextClassifierConfig) -> Result<Fitted> {
        let sample = &self.corpus.chunks[..self.sample()];
        let likeness = match how {
            Likened::ByRanks(aggregation) => self.likeness(self.sample(), aggregation)?,
            Likened::ToTheMiddle => {
                let pool = Vectors::new(&self.pool[..self.sample() * DIMENSIONS], DIMENSIONS)?;
                let middle = centroid(&Vectors::new(&self.targets, DIMENSIONS)?);
                LikenessConfig::new().init(&pool, &Vectors::new(&middle, DIMENSIONS)?)?
            }
        };
        let labels = match self.broken {
            Broken::No => likeness.best(POSITIVE)?,
            // One rank for all: the first ones in the pool's order.
            Broken::RanksOfTargets => first(self.sample(), 0..self.sample()),
            Broken::WorstRanks => first(self.sample(), likeness.order().into_iter().rev()),
        };
        self.scored(&config.clone().with_seed(self.seed).fit(sample, &labels)?)
    }

    /// The ranks of the whole pool, without a classifier.
    pub(super) fn ranked(&self, aggregation: Aggregation) -> Result<Vec<usize>> {
        let likeness = self.likeness(self.corpus.chunks.len(), aggregation)?;
        let mut order = likeness.order();
        order.truncate(self.corpus.budget(KEPT));
        Ok(order)
    }

    /// The classifier that tells targets from the pool. Its positives are all stretches of 40 words, the length of a document.
    fn direct(&self, config: &TextClassifierConfig) -> Result<Fitted> {
        let mut texts = Vec::new();
        for target in &self.corpus.targets {
            let words: Vec<&str> = target.split_whitespace().collect();
            texts.extend(words.windows(40).step_by(2).map(|some| some.join(" ")));
        }
        let positives = texts.len();
        texts.extend_from_slice(&self.corpus.chunks[..self.sample()]);
        let labels: Vec<bool> = (0..texts.len()).map(|place| place < positives).collect();
        self.scored(&config.clone().with_seed(self.seed).fit(&texts, &labels)?)
    }

    fn scored(&self, classifier: &TextClassifier) -> Result<Fitted> {
        let scores = classifier.score_all(&self.corpus.chunks);
        // Documents that the classifier was not fitted on.
        let threshold = Threshold::of(scores[self.sample()..].iter().copied(), KEPT)?;
        let by_threshold = classifier.select(&self.corpus.chunks, threshold).share();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].score.total_cmp(&scores[*a].score));
        Ok(Fitted {
            order,
            by_threshold,
        })
    }

    /// A random share of the pool.
    pub(super) fn random(&self, share: f64) -> Vec<usize> {
        let all = self.corpus.chunks.len();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(2);
        sample(&mut rng, all, self.corpus.budget(share)).into_vec()
    }

    /// Random documents of the domain that is known to be the right one; none where none is.
    pub(super) fn known(&self) -> Vec<usize> {
        let sources = self.corpus.sources.iter().enumerate();
        let known = sources.filter(|(_, source)| **source == Source::Parallel);
        let known: Vec<usize> = known.map(|(place, _)| place).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(3);
        let count = self.corpus.budget(KEPT).min(known.len());
        let chosen = sample(&mut rng, known.len(), count);
        chosen.into_iter().map(|place| known[place]).collect()
    }
}
