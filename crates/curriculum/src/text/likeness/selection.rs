//! # Threshold, Selection
//!
//! Which documents of a pool are kept: those above a score that leaves a share of the tokens
//!
//! Source: BETR, arXiv 2507.12466: the threshold from documents that were held out, for a share of tokens

use rayon::prelude::*;
use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::classifier::{DOCUMENTS_AT_ONCE, TextClassifier};
use crate::error::{CurriculumError, Result, check, count};
use crate::select::Chosen;

/// A document's score and how many tokens it has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Higher is better.
    pub score: f64,
    /// By whatever counts them.
    pub tokens: u64,
}

/// The score from which on documents are kept.
///
/// ```
/// use regimen_curriculum::text::{Scored, Threshold};
///
/// let held_out = [(2.0, 100), (1.0, 300), (0.0, 600)].map(|(score, tokens)| Scored { score, tokens });
/// let threshold = Threshold::of(held_out, 0.4)?;
/// assert_eq!((threshold.score, threshold.share), (1.0, 0.4));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Threshold {
    /// Documents of this score and above are kept.
    pub score: f64,
    /// The share of tokens that they have among those that were held out.
    pub share: f64,
}

checked_serde!(Threshold);

impl Checked for Threshold {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check("score", self.score, true, "a finite number")?;
        let good = (0.0..=1.0).contains(&self.share);
        check("share", self.share, good, "0 to 1")
    }
}

impl Threshold {
    /// The score whose share of tokens, over documents that the classifier was not fitted on, is the nearest to the one that is wanted; of two
    /// that are as near the one that keeps more. Documents of one score are kept together, and some are kept always.
    ///
    /// # Errors
    /// If the share is not above 0 and up to 1, a score is not finite, or the documents have no token.
    pub fn of(held_out: impl IntoIterator<Item = Scored>, share: f64) -> Result<Self> {
        let good = share > 0.0 && share <= 1.0;
        check("share", share, good, "above 0, up to 1")?;
        let mut all: Vec<Scored> = held_out.into_iter().collect();
        if let Some(bad) = all.iter().find(|one| !one.score.is_finite()) {
            check("score", bad.score, false, "finite numbers")?;
        }
        all.par_sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        let tokens: f64 = all.iter().map(|one| one.tokens as f64).sum();
        check("tokens", tokens, tokens > 0.0, "1 and more in all")?;
        let (mut kept, mut best) = (0.0, None::<Self>);
        for same in all.chunk_by(|a, b| a.score == b.score) {
            kept += same.iter().map(|one| one.tokens as f64).sum::<f64>();
            let next = Self {
                score: same[0].score,
                share: (kept / tokens).min(1.0),
            };
            let distance = |one: &Self| (one.share - share).abs();
            match &best {
                Some(best) if distance(&next) > distance(best) => break,
                _ => best = Some(next),
            }
        }
        best.ok_or(CurriculumError::TooFew {
            field: "documents",
            found: 0,
            needed: 1,
        })
    }
}

/// The documents of a pool that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Selection {
    documents: usize,
    kept: Vec<usize>,
    tokens: u64,
    kept_tokens: u64,
}

checked_serde!(Selection);

impl Checked for Selection {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let rise = self.kept.windows(2).all(|pair| pair[0] < pair[1]);
        let last = self.kept.last().copied().unwrap_or(0);
        let good = rise && (self.kept.is_empty() || last < self.documents);
        count("kept", last, good, "rising places of documents")?;
        let (kept, all) = (self.kept_tokens, self.tokens);
        let allowed = "up to the tokens of all documents";
        count("kept_tokens", kept as usize, kept <= all, allowed)
    }
}

impl Selection {
    /// Documents that were looked at.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.documents
    }

    /// The places of those that are kept, in rising order.
    #[must_use]
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// The share of all tokens that is kept; 0 where there is none.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.tokens == 0 {
            return 0.0;
        }
        self.kept_tokens as f64 / self.tokens as f64
    }

    /// Looks at one more document.
    pub fn add(&mut self, document: Scored, threshold: Threshold) {
        if document.score >= threshold.score {
            self.kept.push(self.documents);
            self.kept_tokens = self.kept_tokens.saturating_add(document.tokens);
        }
        self.documents += 1;
        self.tokens = self.tokens.saturating_add(document.tokens);
    }

    /// A sampler that trains on what is kept, in a new random order each epoch.
    ///
    /// # Errors
    /// If nothing is kept, or there are more than 2^28 documents.
    pub fn sampler(&self, seed: u64) -> Result<Chosen> {
        Chosen::new(self.documents, self.kept.clone(), seed)
    }
}

impl TextClassifier {
    /// Scores documents one block after the other, each on all cores; tokens are counted as the classifier cuts them.
    pub fn score_all<D: AsRef<str> + Send + Sync>(
        &self,
        documents: impl IntoIterator<Item = D>,
    ) -> Vec<Scored> {
        let mut all = Vec::new();
        self.scan(documents, &Watch::default(), |some| {
            all.extend_from_slice(some);
        });
        all
    }

    /// Keeps the documents of a stream that reach the threshold. Memory is that of some documents and of the list of those that are kept.
    pub fn select<D: AsRef<str> + Send + Sync>(
        &self,
        documents: impl IntoIterator<Item = D>,
        threshold: Threshold,
    ) -> Selection {
        self.select_watched(documents, threshold, &Watch::default())
    }

    /// [`select`](Self::select), reporting every 4,096 documents, of as many as the iterator announces. Work that is stopped gives what was
    /// kept of the documents before.
    pub fn select_watched<D: AsRef<str> + Send + Sync>(
        &self,
        documents: impl IntoIterator<Item = D>,
        threshold: Threshold,
        watch: &Watch,
    ) -> Selection {
        let mut selection = Selection::default();
        self.scan(documents, watch, |some| {
            for one in some {
                selection.add(*one, threshold);
            }
        });
        selection
    }

    #[tracing::instrument(skip_all, name = "text scores")]
    fn scan<D: AsRef<str> + Send + Sync>(
        &self,
        documents: impl IntoIterator<Item = D>,
        watch: &Watch,
        mut found: impl FnMut(&[Scored]),
    ) {
        let mut documents = documents.into_iter();
        let announced = documents.size_hint().0;
        let (mut done, mut some) = (0, Vec::new());
        loop {
            some.clear();
            some.extend(documents.by_ref().take(DOCUMENTS_AT_ONCE));
            if some.is_empty() {
                break;
            }
            let memory = || (Vec::new(), Vec::new());
            let scores = some
                .par_iter()
                .map_init(memory, |(last, places), text: &D| {
                    let (score, tokens) = self.scored(text.as_ref(), last, places);
                    Scored { score, tokens }
                });
            found(&scores.collect::<Vec<_>>());
            done += some.len();
            if !watch.goes_on("text scores", done, announced.max(done)) {
                break;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Sampler;
    use crate::text::TextClassifierConfig;

    fn scored(all: &[(f64, u64)]) -> impl Iterator<Item = Scored> {
        let all = all.iter();
        all.map(|(score, tokens)| Scored {
            score: *score,
            tokens: *tokens,
        })
    }

    /// One long document is half of the tokens: a share of documents would keep other ones.
    #[test]
    fn a_share_of_tokens_not_of_documents() {
        let all = [(4.0, 50), (3.0, 10), (2.0, 10), (1.0, 10), (0.0, 20)];
        let at = |share| Threshold::of(scored(&all), share).unwrap();
        assert_eq!((at(0.5).score, at(0.5).share), (4.0, 0.5));
        assert_eq!(at(0.2).score, 4.0, "some are kept always");
        assert_eq!(at(0.72).score, 2.0);
        assert_eq!(at(0.55).score, 3.0, "as near: the one that keeps more");
        assert_eq!((at(1.0).score, at(1.0).share), (0.0, 1.0));
        let ties = [(1.0, 10), (0.0, 45), (0.0, 45)];
        assert_eq!(Threshold::of(scored(&ties), 0.4).unwrap().score, 1.0);
    }

    #[test]
    fn bad_shares_and_scores() {
        for share in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(Threshold::of(scored(&[(1.0, 1)]), share).is_err());
        }
        assert!(Threshold::of(scored(&[(f64::NAN, 1)]), 0.5).is_err());
        assert!(Threshold::of(scored(&[(1.0, 0)]), 0.5).is_err());
        assert!(Threshold::of(scored(&[]), 0.5).is_err());
    }

    #[test]
    fn what_is_kept_becomes_a_sampler() {
        let config = TextClassifierConfig::new().with_least(1).with_epochs(20);
        let pool = ["sum of numbers", "by the sea", "sum numbers", "a wide sea"];
        let labels = [true, false, true, false];
        let classifier = config.fit(pool, &labels).unwrap();
        let threshold = Threshold::of(classifier.score_all(pool), 0.5).unwrap();
        let selection = classifier.select(pool, threshold);
        assert_eq!((selection.documents(), selection.kept()), (4, &[0, 2][..]));
        assert!((selection.share() - 5.0 / 11.0).abs() < 1e-12);
        let mut sampler = selection.sampler(7).unwrap();
        let mut ids = sampler.plan().ids;
        ids.sort_unstable();
        assert_eq!((sampler.examples(), &ids[..]), (4, &[0, 2][..]));
        assert!(Selection::default().sampler(0).is_err());
        let stop = Watch::new().until(|| true);
        let long = vec!["sum"; 10_000];
        let selection = classifier.select_watched(long, threshold, &stop);
        assert_eq!(selection.documents(), 4096);
    }
}
