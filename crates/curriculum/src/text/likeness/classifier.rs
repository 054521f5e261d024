//! # TextClassifier
//!
//! Tells documents like the best of a sample from the rest, at the cost of hashing their words: a linear model of word n-grams
//!
//! Source: the filter of BETR, arXiv 2507.12466 (there fastText on words and pairs of words); hashed features after Weinberger et al. 2009; steps
//! after Duchi et al. 2011 (AdaGrad)

use rand::seq::SliceRandom;
use rand::seq::index::sample;
use rayon::prelude::*;
use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::hashing::Grams;
use crate::error::{CurriculumError, Result, check, count};
use crate::select::draw::generator;
use crate::text::TextTokens;

/// Settings of [`TextClassifier`].
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `n` | 2 | stretches of up to so many words are seen, 1 to 8 |
/// | `bits` | 20 | they fall into `2^bits` places, 8 to 26 |
/// | `least` | 5 | a place counts that so many documents of the training set have, 1 and up |
/// | `epochs` | 5 | passes over the training set, 1 to 1000 |
/// | `rate` | .1 | of AdaGrad, above 0 and up to 1000 |
/// | `tokens` | words in lower case | what a word is |
/// | `seed` | 0 | of the draw and the order |
///
/// A document is the set of its stretches, as a vector of length 1; the model is logistic regression. The paper's fastText takes what stands
/// between white space, pairs, a least count of 5 and 5 epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct TextClassifierConfig {
    n: usize,
    bits: u32,
    least: u32,
    epochs: usize,
    rate: f64,
    tokens: TextTokens,
    seed: u64,
}

checked_serde!(TextClassifierConfig);

impl Default for TextClassifierConfig {
    fn default() -> Self {
        Self {
            n: 2,
            bits: 20,
            least: 5,
            epochs: 5,
            rate: 0.1,
            tokens: TextTokens::default(),
            seed: 0,
        }
    }
}

impl Checked for TextClassifierConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        count("n", self.n, (1..=8).contains(&self.n), "1 to 8")?;
        let bits = self.bits as usize;
        count("bits", bits, (8..=26).contains(&bits), "8 to 26")?;
        let least = self.least as usize;
        count("least", least, least > 0, "1 and up")?;
        let good = (1..=1000).contains(&self.epochs);
        count("epochs", self.epochs, good, "1 to 1000")?;
        let good = self.rate > 0.0 && self.rate <= 1e3;
        check("rate", self.rate, good, "above 0, up to 1000")
    }
}

/// Documents that are read before they are worked on.
pub(super) const DOCUMENTS_AT_ONCE: usize = 4096;

impl TextClassifierConfig {
    /// Words and pairs of words, five epochs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stretches of up to so many words, 1 to 8.
    #[must_use]
    pub fn with_n(mut self, n: usize) -> Self {
        self.n = n;
        self
    }

    /// Stretches fall into `2^bits` places, 8 to 26.
    #[must_use]
    pub fn with_bits(mut self, bits: u32) -> Self {
        self.bits = bits;
        self
    }

    /// A place counts that so many documents of the training set have, 1 and up.
    #[must_use]
    pub fn with_least(mut self, least: u32) -> Self {
        self.least = least;
        self
    }

    /// Passes over the training set, 1 to 1000.
    #[must_use]
    pub fn with_epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// The rate of AdaGrad, above 0 and up to 1000.
    #[must_use]
    pub fn with_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// What a word is.
    #[must_use]
    pub fn with_tokens(mut self, tokens: TextTokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// The seed of the draw and the order.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    fn grams(&self) -> Grams {
        Grams {
            tokens: self.tokens,
            n: self.n,
            bits: self.bits,
        }
    }

    /// Learns to tell the positive documents from the others. The larger class is drawn down to the size of the smaller one.
    ///
    /// Both classes are documents of the pool: with target examples as positives it would learn how their form differs. Documents are read once,
    /// hashed on all cores and not kept: memory is 4 bytes for each different stretch of each document that was drawn, and 12 bytes a place.
    ///
    /// # Errors
    /// If a setting lies outside its range, a class is empty, or there are more or fewer documents than labels.
    pub fn fit<D: AsRef<str> + Send + Sync>(
        &self,
        documents: impl IntoIterator<Item = D>,
        are_positive: &[bool],
    ) -> Result<TextClassifier> {
        self.fit_watched(documents, are_positive, &Watch::default())
    }

    /// [`fit`](Self::fit), reporting after each epoch. Work that is stopped gives what was learned by then.
    ///
    /// # Errors
    /// As for [`fit`](Self::fit).
    #[tracing::instrument(skip_all, name = "text classifier", fields(documents = are_positive.len()))]
    pub fn fit_watched<D: AsRef<str> + Send + Sync>(
        &self,
        documents: impl IntoIterator<Item = D>,
        are_positive: &[bool],
        watch: &Watch,
    ) -> Result<TextClassifier> {
        self.check()?;
        let drawn = self.draw(are_positive)?;
        let (labels, texts) = self.read(documents, are_positive, &drawn)?;
        let mut documents_with = vec![0_u32; 1 << self.bits];
        for place in texts.iter().flatten() {
            documents_with[*place as usize] += 1;
        }
        let counts = |place: &u32| documents_with[*place as usize] >= self.least;
        let texts: Vec<Vec<u32>> = texts
            .into_par_iter()
            .map(|places| places.into_iter().filter(counts).collect())
            .collect();
        drop(documents_with);
        let mut model = Model {
            weights: vec![0.0; 1 << self.bits],
            squares: vec![0.0; 1 << self.bits],
            bias: 0.0,
            bias_squares: 0.0,
            rate: self.rate,
        };
        let mut order: Vec<usize> = (0..labels.len()).collect();
        for epoch in 1..=self.epochs {
            order.shuffle(&mut generator(self.seed, epoch));
            for place in &order {
                model.learn(&texts[*place], labels[*place]);
            }
            if !watch.goes_on("text classifier", epoch, self.epochs) {
                break;
            }
        }
        Ok(TextClassifier {
            config: self.clone(),
            bias: model.bias,
            weights: model.weights,
        })
    }

    /// Whether each document is of the training set: as many of both classes.
    fn draw(&self, are_positive: &[bool]) -> Result<Vec<bool>> {
        let of = |class: bool| {
            let places = are_positive.iter().enumerate();
            let places = places.filter(move |(_, is)| **is == class);
            places.map(|(place, _)| place).collect::<Vec<_>>()
        };
        let classes = [of(true), of(false)];
        let each = classes[0].len().min(classes[1].len());
        if each == 0 {
            let field = ["positive documents", "negative documents"];
            return Err(CurriculumError::TooFew {
                field: field[usize::from(!classes[0].is_empty())],
                found: 0,
                needed: 1,
            });
        }
        let mut is_drawn = vec![false; are_positive.len()];
        let mut rng = generator(self.seed, 0);
        for places in classes {
            for chosen in sample(&mut rng, places.len(), each) {
                is_drawn[places[chosen]] = true;
            }
        }
        Ok(is_drawn)
    }

    /// The stretches of the documents that were drawn, and their labels.
    #[allow(
        clippy::type_complexity,
        reason = "two lists of the same documents, used in one place"
    )]
    fn read<D: AsRef<str> + Send + Sync>(
        &self,
        documents: impl IntoIterator<Item = D>,
        are_positive: &[bool],
        is_drawn: &[bool],
    ) -> Result<(Vec<bool>, Vec<Vec<u32>>)> {
        let grams = self.grams();
        let (mut labels, mut texts) = (Vec::new(), Vec::new());
        let (mut read, mut some) = (0, Vec::new());
        let mut hash = |some: &mut Vec<D>| {
            let places = some.par_iter().map_init(Vec::new, |last, document: &D| {
                let mut places = Vec::new();
                grams.of(document.as_ref(), last, &mut places);
                places.shrink_to_fit();
                places
            });
            texts.par_extend(places);
            some.clear();
        };
        for document in documents {
            if is_drawn.get(read) == Some(&true) {
                labels.push(are_positive[read]);
                some.push(document);
                if some.len() == DOCUMENTS_AT_ONCE {
                    hash(&mut some);
                }
            }
            read += 1;
        }
        hash(&mut some);
        let good = read == are_positive.len();
        count("documents", read, good, "as many as labels")?;
        Ok((labels, texts))
    }
}

struct Model {
    weights: Vec<f32>,
    /// Sums of squared gradients.
    squares: Vec<f32>,
    bias: f64,
    bias_squares: f64,
    rate: f64,
}

impl Model {
    /// One step of AdaGrad on the logistic loss of one document.
    fn learn(&mut self, places: &[u32], is_positive: bool) {
        let size = (places.len().max(1) as f64).sqrt().recip();
        let score = self.bias + size * sum(&self.weights, places);
        let error = 1.0 / (1.0 + (-score).exp()) - f64::from(u8::from(is_positive));
        let gradient = error * size;
        let (square, step) = ((gradient * gradient) as f32, (self.rate * gradient) as f32);
        for place in places {
            let squares = &mut self.squares[*place as usize];
            *squares += square;
            self.weights[*place as usize] -= step / (squares.sqrt() + 1e-12);
        }
        self.bias_squares += error * error;
        self.bias -= self.rate * error / (self.bias_squares.sqrt() + 1e-12);
    }
}

fn sum(weights: &[f32], places: &[u32]) -> f64 {
    let weights = places.iter().map(|place| weights[*place as usize]);
    weights.map(f64::from).sum()
}

/// A fitted classifier: plain data, the same score for a text in every process.
///
/// ```
/// use regimen_curriculum::text::TextClassifierConfig;
///
/// let pool = ["the sum of numbers", "a day by the sea", "sum the numbers", "the sea is wide"];
/// let config = TextClassifierConfig::new().with_least(1).with_epochs(20);
/// let classifier = config.fit(pool, &[true, false, true, false])?;
/// assert!(classifier.score("numbers and their sum") > 0.0);
/// assert!(classifier.score("the wide sea") < 0.0);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct TextClassifier {
    config: TextClassifierConfig,
    bias: f64,
    /// One a place; those that are 0 are not saved.
    #[serde(with = "sparse")]
    weights: Vec<f32>,
}

checked_serde!(TextClassifier);

impl Checked for TextClassifier {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        check("bias", self.bias, true, "a finite number")?;
        let (places, good) = (self.weights.len(), 1 << self.config.bits);
        count("places", places, places == good, "2^bits")?;
        match self.weights.iter().find(|weight| !weight.is_finite()) {
            None => Ok(()),
            Some(weight) => check("weights", f64::from(*weight), false, "finite numbers"),
        }
    }
}

impl TextClassifier {
    /// How it was fitted.
    #[must_use]
    pub fn config(&self) -> &TextClassifierConfig {
        &self.config
    }

    /// The logarithm of the odds that a text is positive, given as many of both classes. A text without a word has the bias.
    #[must_use]
    pub fn score(&self, text: &str) -> f64 {
        self.scored(text, &mut Vec::new(), &mut Vec::new()).0
    }

    /// The score, and the number of tokens.
    pub(in crate::text) fn scored(
        &self,
        text: &str,
        last: &mut Vec<u64>,
        places: &mut Vec<u32>,
    ) -> (f64, u64) {
        let tokens = self.config.grams().of(text, last, places);
        let size = (places.len().max(1) as f64).sqrt().recip();
        (self.bias + size * sum(&self.weights, places), tokens)
    }
}

/// Weights as the number of places, the places of those that are not 0, and these.
mod sparse {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        weights: &[f32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let kept = weights.iter().enumerate().filter(|(_, w)| **w != 0.0);
        let (places, kept): (Vec<usize>, Vec<f32>) = kept.map(|(place, w)| (place, *w)).unzip();
        (weights.len(), places, kept).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<f32>, D::Error> {
        let (all, places, kept): (usize, Vec<usize>, Vec<f32>) =
            Deserialize::deserialize(deserializer)?;
        let rise = places.windows(2).all(|pair| pair[0] < pair[1]);
        let within = places.last().is_none_or(|last| *last < all) && all <= 1 << 26;
        if !rise || !within || places.len() != kept.len() {
            let text = "`weights`: allowed are up to 2^26 places, rising ones below that, and a weight for each";
            return Err(D::Error::custom(text));
        }
        let mut weights = vec![0.0; all];
        for (place, weight) in places.into_iter().zip(kept) {
            weights[place] = weight;
        }
        Ok(weights)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn texts(count: usize) -> (Vec<String>, Vec<bool>) {
        let text = |at: usize| {
            let words = (0..12).map(|word| match (at.is_multiple_of(10), word % 3) {
                (true, 0) => format!("near{}", (at + word) % 7),
                (_, place) => format!("w{}", (at * 31 + word * 17 + place) % 50),
            });
            words.collect::<Vec<_>>().join(" ")
        };
        let labels = (0..count).map(|at| at % 10 == 0).collect();
        ((0..count).map(text).collect(), labels)
    }

    #[test]
    fn what_is_like_the_positives_scores_high() {
        let (texts, labels) = texts(2000);
        let classifier = TextClassifierConfig::new().fit(&texts, &labels).unwrap();
        let right = texts.iter().zip(&labels);
        let right = right.filter(|(text, label)| (classifier.score(text) > 0.0) == **label);
        assert!(right.count() > 1950);
        assert_eq!(classifier.score(""), classifier.score("?"));
    }

    #[test]
    fn a_seed_gives_one_classifier_which_is_saved_whole() {
        let (texts, labels) = texts(500);
        let config = TextClassifierConfig::new().with_bits(12);
        let fit = |seed| config.clone().with_seed(seed).fit(&texts, &labels).unwrap();
        assert_eq!(fit(3), fit(3));
        assert_ne!(fit(3), fit(4));
        let text = serde_json::to_string(&fit(3)).unwrap();
        let again: TextClassifier = serde_json::from_str(&text).unwrap();
        assert_eq!(again, fit(3));
        for text in &texts {
            assert_eq!(again.score(text), fit(3).score(text));
        }
    }

    #[test]
    fn both_classes_and_as_many_labels_are_needed() {
        let config = TextClassifierConfig::new();
        assert!(config.fit(["a", "b"], &[true, true]).is_err());
        assert!(config.fit(["a", "b"], &[false, false]).is_err());
        assert!(config.fit(["a", "b"], &[true, false, true]).is_err());
        assert!(config.fit(["a", "b", "c"], &[true, false]).is_err());
        let none: [&str; 0] = [];
        assert!(config.fit(none, &[]).is_err());
    }

    /// With a tenth of positives and no draw, the bias alone would call all of them negative.
    #[test]
    fn classes_are_drawn_to_one_size() {
        let labels: Vec<bool> = (0..1000).map(|at| at % 10 == 0).collect();
        let drawn = TextClassifierConfig::new().draw(&labels).unwrap();
        let of = |class: bool| {
            let both = drawn.iter().zip(&labels);
            both.filter(|(drawn, is)| **drawn && **is == class).count()
        };
        assert_eq!((of(true), of(false)), (100, 100));
    }
}
