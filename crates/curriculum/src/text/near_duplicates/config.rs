//! What is near, and how surely it is found.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::signature::{NearDuplicates, Permutation};
use super::verify::Verify;
use crate::error::{CurriculumError, Result, check, count};
use crate::text::tokens::TextTokens;

/// Settings of [`NearDuplicates`].
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `shingle` | 5 | tokens in a row that make one shingle, 1 to 256; a document of fewer tokens is one shingle |
/// | `threshold` | .8 | Jaccard similarity of the shingles from which on two documents are duplicates, above 0 to 1 |
/// | `recall` | .95 | the least share of pairs at the threshold that shall be found, above 0, below 1 |
/// | `permutations` | 128 | entries of a signature, 1 to 4096: the standard error of an estimate is `sqrt(J (1 - J) / permutations)` |
/// | `verify` | `Exact` | what becomes of pairs that share a band |
/// | `seed` | 0 | of the permutations |
/// | `tokens` | words in lower case | what a token is |
///
/// The entries are cut into `bands` of `rows`; two documents of similarity `J` share one with probability `1 - (1 - J^rows)^bands`.
/// `rows` is the largest number for which that is `recall` or more at the threshold, and `bands = permutations / rows`.
///
/// ```
/// use regimen_curriculum::text::NearDuplicatesConfig;
///
/// let config = NearDuplicatesConfig::new();
/// assert_eq!(config.bands()?, (18, 7));
/// assert!(config.probability(0.8)? > 0.95);
/// assert!(config.probability(0.5)? < 0.14);
///
/// let index = config.init()?;
/// let found = index.groups([
///     "the quick brown fox jumps over the lazy dog near the river bank today",
///     "something else",
///     "The quick brown fox jumps over the lazy dog, near the river bank today!",
/// ])?;
/// assert_eq!(found.groups(), [[0, 2]]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct NearDuplicatesConfig {
    shingle: usize,
    threshold: f64,
    recall: f64,
    permutations: usize,
    verify: Verify,
    seed: u64,
    tokens: TextTokens,
}

checked_serde!(NearDuplicatesConfig);

impl Default for NearDuplicatesConfig {
    fn default() -> Self {
        Self {
            shingle: 5,
            threshold: 0.8,
            recall: 0.95,
            permutations: 128,
            verify: Verify::default(),
            seed: 0,
            tokens: TextTokens::default(),
        }
    }
}

impl Checked for NearDuplicatesConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let shingle = (1..=256).contains(&self.shingle);
        count("shingle", self.shingle, shingle, "1 to 256")?;
        let permutations = (1..=4096).contains(&self.permutations);
        count("permutations", self.permutations, permutations, "1 to 4096")?;
        let threshold = self.threshold > 0.0 && self.threshold <= 1.0;
        check("threshold", self.threshold, threshold, "above 0, up to 1")?;
        let recall = self.recall > 0.0 && self.recall < 1.0;
        check("recall", self.recall, recall, "above 0, below 1")?;
        let most = shared(self.threshold, self.permutations, 1);
        check(
            "recall",
            self.recall,
            self.recall <= most,
            "up to `1 - (1 - threshold)^permutations`",
        )
    }
}

impl NearDuplicatesConfig {
    /// Shingles of five words, a threshold of .8 and 128 permutations.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tokens in a row that make one shingle.
    #[must_use]
    pub fn with_shingle(mut self, shingle: usize) -> Self {
        self.shingle = shingle;
        self
    }

    /// Similarity from which on two documents are duplicates, above 0 to 1.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// The least share of pairs at the threshold that shall be found, above 0, below 1.
    #[must_use]
    pub fn with_recall(mut self, recall: f64) -> Self {
        self.recall = recall;
        self
    }

    /// Entries of a signature.
    #[must_use]
    pub fn with_permutations(mut self, permutations: usize) -> Self {
        self.permutations = permutations;
        self
    }

    /// What becomes of pairs that share a band.
    #[must_use]
    pub fn with_verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// Of the permutations: signatures are comparable where the seed is the same.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What a token is.
    #[must_use]
    pub fn with_tokens(mut self, tokens: TextTokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// How many bands, and how many entries each has.
    ///
    /// # Errors
    /// If a setting lies outside its range, or no number of rows gives the recall.
    pub fn bands(&self) -> Result<(usize, usize)> {
        self.check()?;
        let enough =
            |rows: &usize| shared(self.threshold, self.permutations / rows, *rows) >= self.recall;
        // The check has found that 1 is enough.
        let rows = (1..=self.permutations).rev().find(enough).unwrap_or(1);
        Ok((self.permutations / rows, rows))
    }

    /// The share of pairs of this similarity, 0 to 1, that share a band: `1 - (1 - J^rows)^bands`.
    ///
    /// # Errors
    /// As for [`bands`](Self::bands), or if the similarity is not in 0 to 1.
    pub fn probability(&self, jaccard: f64) -> Result<f64> {
        let (bands, rows) = self.bands()?;
        check("jaccard", jaccard, (0.0..=1.0).contains(&jaccard), "0 to 1")?;
        Ok(shared(jaccard, bands, rows))
    }

    /// Draws the permutations.
    ///
    /// # Errors
    /// As for [`bands`](Self::bands).
    pub fn init(&self) -> Result<NearDuplicates> {
        let (bands, rows) = self.bands()?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let permutations = (0..self.permutations).map(|_| Permutation {
            flip: rng.random(),
            factor: rng.random::<u64>() | 1,
        });
        Ok(NearDuplicates {
            shingle: self.shingle,
            threshold: self.threshold,
            verify: self.verify,
            tokens: self.tokens,
            bands,
            rows,
            permutations: permutations.collect(),
        })
    }
}

/// The chance that one of the bands agrees.
fn shared(jaccard: f64, bands: usize, rows: usize) -> f64 {
    1.0 - (1.0 - jaccard.powi(rows as i32)).powi(bands as i32)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_the_widest_that_give_the_recall() {
        for threshold in [0.1, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0] {
            for recall in [0.5, 0.9, 0.99] {
                let config = NearDuplicatesConfig::new()
                    .with_threshold(threshold)
                    .with_recall(recall);
                let (bands, rows) = config.bands().unwrap();
                assert!(bands * rows <= 128);
                assert!(config.probability(threshold).unwrap() >= recall);
                if rows < 128 {
                    let wider = shared(threshold, 128 / (rows + 1), rows + 1);
                    assert!(wider < recall, "{threshold} {recall}");
                }
            }
        }
        // By hand: 1 - (1 - .8^7)^18.
        let curve = NearDuplicatesConfig::new().probability(0.8).unwrap();
        assert!((curve - 0.985_531).abs() < 1e-4, "{curve}");
        assert_eq!(NearDuplicatesConfig::new().probability(1.0).unwrap(), 1.0);
        assert_eq!(NearDuplicatesConfig::new().probability(0.0).unwrap(), 0.0);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let new = NearDuplicatesConfig::new;
        for (config, field) in [
            (new().with_shingle(0), "`shingle` is 0"),
            (new().with_shingle(257), "`shingle` is 257"),
            (new().with_permutations(0), "`permutations` is 0"),
            (new().with_permutations(usize::MAX), "`permutations` is"),
            (new().with_threshold(0.0), "`threshold` is 0"),
            (new().with_threshold(f64::NAN), "`threshold` is NaN"),
            (new().with_threshold(1.1), "`threshold` is 1.1"),
            (new().with_recall(1.0), "`recall` is 1"),
            (new().with_recall(-0.0), "`recall` is -0"),
            // 16 permutations find one such pair in seven.
            (
                new().with_permutations(16).with_threshold(0.01),
                "`recall` is 0.95",
            ),
        ] {
            let message = config.init().unwrap_err().to_string();
            assert!(message.starts_with(field), "{message}");
        }
        for similarity in [-0.1, 1.1, f64::NAN] {
            assert!(new().probability(similarity).is_err());
        }
    }
}
