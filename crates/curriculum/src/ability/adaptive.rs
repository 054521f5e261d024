//! # AdaptiveDifficulty
//!
//! Easy examples before hard ones in chunks, of which the next is scored and sorted again by the model as it is.
//!
//! Source: ADCL in "Learning Like Humans: Advancing LLM Reasoning Capabilities via Adaptive Difficulty Curriculum Learning and Expert-Guided Self-Reformulation", arXiv 2505.08364.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::inversions::normalised_inversions;
use crate::error::{CurriculumError, Result, check, check_examples, count, counted, same};
use crate::sampler::{EpochPlan, Sampler};
use crate::select::draw::{generator, shuffled};
use crate::select::part::part;
use crate::select::scores;

/// How the curriculum is cut.
///
/// | field | default | range |
/// |---|---|---|
/// | `chunks` | required | 1 to the number of examples; 4 and 8 are both sensible, the paper's is not known |
/// | `shuffle` | false | true: each chunk in random order, where a sorted one comes in bursts of one kind |
/// | `seed` | 0 | any; of the shuffles |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct AdaptiveDifficultyConfig {
    /// Chunks of the data.
    pub chunks: usize,
    /// Whether a chunk is shuffled.
    pub shuffle: bool,
    /// Seed of the shuffles.
    pub seed: u64,
}
checked_serde!(AdaptiveDifficultyConfig);

impl AdaptiveDifficultyConfig {
    /// In so many chunks, each sorted.
    #[must_use]
    pub fn new(chunks: usize) -> Self {
        Self {
            chunks,
            shuffle: false,
            seed: 0,
        }
    }

    /// Whether a chunk is shuffled, in place of sorted.
    #[must_use]
    pub fn with_shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// Another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A curriculum over the examples that these are the difficulties of, by the model before training: larger is harder.
    ///
    /// # Errors
    /// If there is no example or more than 2^28, a difficulty is not finite, or there are more chunks than examples.
    pub fn init(&self, difficulties: &[f32]) -> Result<AdaptiveDifficulty> {
        let examples = difficulties.len();
        check_examples(examples)?;
        let all: Vec<usize> = (0..examples).collect();
        scores::check(examples, &all, difficulties)?;
        let sampler = AdaptiveDifficulty {
            config: self.clone(),
            order: sorted(all, difficulties),
            scores: difficulties.to_vec(),
            fresh: Vec::new(),
            planned: 0,
            shift: None,
        };
        sampler.checked()
    }
}

impl Checked for AdaptiveDifficultyConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        count("chunks", self.chunks, self.chunks > 0, "1 or more")
    }
}

/// The difficulty of a problem by sampled attempts: the share of them that failed, 0 to 1.
///
/// ```
/// assert_eq!(regimen_curriculum::difficulty(4, 16)?, 0.75);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If there is no attempt, or there are more successes than attempts.
pub fn difficulty(successes: usize, attempts: usize) -> Result<f32> {
    count("attempts", attempts, attempts > 0, "1 or more")?;
    let good = successes <= attempts;
    count("successes", successes, good, "up to the attempts")?;
    Ok((1.0 - successes as f64 / attempts as f64) as f32)
}

/// The curriculum: each [`plan`](Sampler::plan) is the next chunk, from the easiest to the hardest, then from the first again.
///
/// The first scores decide once and for all which chunk an example is in. Before a chunk's turn score its examples, which
/// [`to_score`](Self::to_score) names, with the model as it is, and give the scores to [`observe`](Sampler::observe): the chunk is sorted
/// anew, stably, ties by the order that it had. One pass of scoring over all data is what it costs in total. Scores of other
/// examples are ignored, so that the losses of training itself can be fed back too. Without new scores it is the static curriculum.
///
/// Score always in the same way, with as many attempts at the same temperature: another way looks like a shift of difficulty.
/// [`difficulty`] is the share of failed attempts; in supervised training take losses. There, one pass in sorted order
/// harms by itself because classes come in bursts: see `shuffle`.
///
/// ```
/// use regimen_curriculum::{AdaptiveDifficultyConfig, Sampler};
///
/// let mut sampler = AdaptiveDifficultyConfig::new(2).init(&[0.9, 0.1, 0.5, 0.7])?;
/// assert_eq!(sampler.plan().ids, [1, 2]);
/// // Train on them, then score the next chunk:
/// assert_eq!(sampler.to_score(), [3, 0]);
/// sampler.observe(&[3, 0], &[0.6, 0.4])?;
/// assert_eq!(sampler.plan().ids, [0, 3]);
/// assert_eq!(sampler.shift(), Some(1.0));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("ADCL"))]
pub struct AdaptiveDifficulty {
    config: AdaptiveDifficultyConfig,
    /// The examples, chunk by chunk.
    order: Vec<usize>,
    /// The score that each example was last sorted by.
    scores: Vec<f32>,
    /// New scores of the chunk that is next, as its examples stand in the order; empty where nothing was scored yet.
    fresh: Vec<Option<f32>>,
    /// Chunks that were planned.
    planned: usize,
    /// The rate of inversions of the last chunk that was planned.
    shift: Option<f64>,
}
checked_serde!(AdaptiveDifficulty);

part!(AdaptiveDifficulty, "adaptive difficulty 1");

impl AdaptiveDifficulty {
    /// The examples of the chunk that is next, in the order that they have.
    #[must_use]
    pub fn to_score(&self) -> &[usize] {
        &self.order[self.places(self.next_chunk())]
    }

    /// The number of the chunk that is next, from 0.
    #[must_use]
    pub fn next_chunk(&self) -> usize {
        self.planned % self.config.chunks
    }

    /// The examples of a chunk, in the order that they have; none for a number that is no chunk's.
    #[must_use]
    pub fn chunk(&self, chunk: usize) -> &[usize] {
        if chunk < self.config.chunks {
            &self.order[self.places(chunk)]
        } else {
            &[]
        }
    }

    /// The score that each example was last sorted by.
    #[must_use]
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// The Normalised Inversion Rate between the old and the new scores of the last chunk that was planned; none where it was not
    /// scored anew or has one example. See [`normalised_inversions`].
    #[must_use]
    pub fn shift(&self) -> Option<f64> {
        self.shift
    }

    /// The places of a chunk in the order: sizes differ by one at most.
    fn places(&self, chunk: usize) -> Range<usize> {
        let (examples, chunks) = (self.order.len() as u64, self.config.chunks as u64);
        // Neither is above 2^28, so that the product fits.
        let cut = |chunk: usize| (chunk as u64 * examples / chunks) as usize;
        cut(chunk)..cut(chunk + 1)
    }

    /// Sorts the next chunk by its new scores.
    fn sort(&mut self) {
        self.shift = None;
        let fresh = std::mem::take(&mut self.fresh);
        if fresh.is_empty() {
            return;
        }
        let places = self.places(self.next_chunk());
        let chunk = self.order[places.clone()].to_vec();
        let values = |scores: &[f32]| -> Vec<f64> {
            chunk.iter().map(|id| f64::from(scores[*id])).collect()
        };
        let old = values(&self.scores);
        for (id, score) in chunk.iter().zip(fresh) {
            if let Some(score) = score {
                self.scores[*id] = score;
            }
        }
        self.shift = normalised_inversions(&old, &values(&self.scores)).ok();
        self.order[places].copy_from_slice(&sorted(chunk, &self.scores));
    }
}

/// Examples by their scores, equal ones in the order that they had.
fn sorted(mut ids: Vec<usize>, scores: &[f32]) -> Vec<usize> {
    let order = |a: f32, b: f32| a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    ids.sort_by(|a, b| order(scores[*a], scores[*b]));
    ids
}

impl Checked for AdaptiveDifficulty {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let examples = self.scores.len();
        check_examples(examples)?;
        self.config.check()?;
        let chunks = self.config.chunks;
        count("chunks", chunks, chunks <= examples, "up to the examples")?;
        counted("planned", self.planned)?;
        let all: Vec<usize> = (0..examples).collect();
        scores::check(examples, &all, &self.scores)?;
        let good = self.order.len() == examples;
        count("order", self.order.len(), good, "one place an example")?;
        let mut placed = vec![false; examples];
        for id in &self.order {
            match placed.get_mut(*id) {
                None => return Err(CurriculumError::UnknownExample { id: *id, examples }),
                Some(true) => return Err(CurriculumError::Repeated { id: *id }),
                Some(first) => *first = true,
            }
        }
        let (next, fresh) = (self.to_score(), self.fresh.len());
        let allowed = "none, or one an example of the next chunk";
        count("fresh", fresh, fresh == 0 || fresh == next.len(), allowed)?;
        let noted = next.iter().zip(&self.fresh);
        let noted = noted.filter_map(|(id, score)| score.map(|score| (*id, score)));
        let (ids, losses): (Vec<usize>, Vec<f32>) = noted.unzip();
        scores::check(examples, &ids, &losses)?;
        let shift = self.shift.unwrap_or(0.0);
        check("shift", shift, (0.0..=1.0).contains(&shift), "0 to 1")
    }
}

impl Sampler for AdaptiveDifficulty {
    fn examples(&self) -> usize {
        self.scores.len()
    }

    /// The next chunk, sorted by the newest scores.
    fn plan(&mut self) -> EpochPlan {
        self.sort();
        let ids = self.to_score().to_vec();
        self.planned += 1;
        if !self.config.shuffle {
            return EpochPlan::new(ids);
        }
        let mut rng = generator(self.config.seed, self.planned);
        EpochPlan::new(shuffled(ids, &mut rng))
    }

    /// Notes new scores of the chunk that is next; of an example that is scored twice the later one counts. Others are ignored.
    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        scores::check(self.scores.len(), ids, losses)?;
        let next = self.to_score();
        let count = next.len();
        let places = next.iter().enumerate();
        let places: HashMap<usize, usize> = places.map(|(place, id)| (*id, place)).collect();
        for (id, loss) in ids.iter().zip(losses) {
            if let Some(place) = places.get(id) {
                self.fresh.resize(count, None);
                self.fresh[*place] = Some(*loss);
            }
        }
        Ok(())
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("examples", &self.examples(), &saved.examples())?;
        same("config", &self.config, &saved.config)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use regimen_tensor::Part;

    use super::*;

    /// What a model finds hard: drifts with time and has many ties.
    fn scored(ids: &[usize], time: usize) -> Vec<f32> {
        let score = |id: &usize| ((id * 31 + time * id * 7 + time) % 5) as f32 / 4.0;
        ids.iter().map(score).collect()
    }

    fn sampler(examples: usize, chunks: usize) -> AdaptiveDifficulty {
        let first = scored(&(0..examples).collect::<Vec<_>>(), 0);
        AdaptiveDifficultyConfig::new(chunks).init(&first).unwrap()
    }

    /// Plans a chunk and scores the one after it.
    fn step(sampler: &mut AdaptiveDifficulty, time: usize) -> Vec<usize> {
        let ids = sampler.plan().ids;
        let next = sampler.to_score().to_vec();
        sampler.observe(&next, &scored(&next, time)).unwrap();
        ids
    }

    #[test]
    fn chunks_go_from_easy_to_hard() {
        let mut sampler = AdaptiveDifficultyConfig::new(3)
            .init(&[0.5, 0.1, 0.9, 0.1, 0.7])
            .unwrap();
        let plans: Vec<_> = (0..4).map(|_| sampler.plan().ids).collect();
        // Of equal scores the one that stood first; the fourth plan is the first chunk again.
        assert_eq!(plans, [vec![1], vec![3, 0], vec![4, 2], vec![1]]);
        assert_eq!((sampler.shift(), sampler.next_chunk()), (None, 1));
    }

    #[test]
    fn the_next_chunk_alone_is_sorted_anew_with_ties_by_its_old_order() {
        let first = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
        let mut sampler = AdaptiveDifficultyConfig::new(2).init(&first).unwrap();
        assert_eq!(sampler.plan().ids, [0, 1, 2, 3]);
        // Scores of all: those of the chunk that was trained on are ignored.
        let all: Vec<usize> = (0..8).collect();
        let new = [9.0, 8.0, 7.0, 6.0, 0.5, 0.2, 0.5, 0.2];
        sampler.observe(&all, &new).unwrap();
        assert_eq!(sampler.plan().ids, [5, 7, 4, 6]);
        assert_eq!(sampler.shift(), Some(3.0 / 6.0));
        assert_eq!(sampler.chunk(0), [0, 1, 2, 3]);
        assert_eq!(sampler.scores()[..4], first[..4]);
        assert!(sampler.chunk(2).is_empty());
    }

    /// What was not scored keeps its score.
    #[test]
    fn a_chunk_may_be_scored_in_part() {
        let config = AdaptiveDifficultyConfig::new(1);
        let mut sampler = config.init(&[0.1, 0.2, 0.3]).unwrap();
        let _ = sampler.plan();
        sampler.observe(&[0], &[0.9]).unwrap();
        sampler.observe(&[0], &[0.25]).unwrap();
        assert_eq!(sampler.plan().ids, [1, 0, 2]);
    }

    #[test]
    fn a_shuffled_chunk_holds_the_same_examples() {
        let first: Vec<f32> = (0..40_u8).map(f32::from).collect();
        let config = AdaptiveDifficultyConfig::new(2);
        let config = config.with_shuffle(true).with_seed(3);
        let mut sampler = config.init(&first).unwrap();
        let mut ids = sampler.plan().ids;
        assert_ne!(ids, (0..20).collect::<Vec<_>>());
        ids.sort_unstable();
        assert_eq!(ids, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let config = AdaptiveDifficultyConfig::new;
        assert!(config(0).init(&[1.0]).is_err());
        assert!(config(2).init(&[1.0]).is_err());
        assert!(config(1).init(&[]).is_err());
        assert!(config(1).init(&[f32::NAN]).is_err());
        assert!(difficulty(0, 0).is_err() && difficulty(2, 1).is_err());
        let mut sampler = sampler(6, 2);
        let before = sampler.clone();
        let _ = sampler.observe(&[0, 9], &[1.0, 1.0]).unwrap_err();
        let _ = sampler.observe(&[3, 0], &[1.0, f32::NAN]).unwrap_err();
        assert_eq!(sampler, before);
    }

    #[test]
    fn a_damaged_state_is_refused() {
        let mut sampler = sampler(4, 2);
        let _ = step(&mut sampler, 1);
        let text = serde_json::to_string(&sampler).unwrap();
        let read = |from: &str, to: &str| {
            assert!(text.contains(from), "{from} in {text}");
            serde_json::from_str::<AdaptiveDifficulty>(&text.replacen(from, to, 1))
        };
        assert!(read("\"chunks\":2", "\"chunks\":2").is_ok());
        assert!(read("\"chunks\":2", "\"chunks\":5").is_err());
        assert!(read("\"order\":[", "\"order\":[0,").is_err());
        assert!(read("\"fresh\":[", "\"fresh\":[null,").is_err());
        assert!(read("\"shift\":null", "\"shift\":2").is_err());
    }

    proptest! {
        /// Every chunk holds the examples that it held at first, whatever is scored.
        #[test]
        fn membership_never_changes(examples in 1_usize..60, chunks in 1_usize..9, passes in 1_usize..4) {
            let chunks = chunks.min(examples);
            let mut sampler = sampler(examples, chunks);
            let members = |sampler: &AdaptiveDifficulty| -> Vec<Vec<usize>> {
                let sorted = |chunk| {
                    let mut ids = sampler.chunk(chunk).to_vec();
                    ids.sort_unstable();
                    ids
                };
                (0..chunks).map(sorted).collect()
            };
            let first = members(&sampler);
            for time in 0..passes * chunks {
                let mut ids = step(&mut sampler, time);
                ids.sort_unstable();
                prop_assert_eq!(&ids, &first[time % chunks]);
            }
            prop_assert_eq!(members(&sampler), first);
        }

        /// A model that does not change gives the static curriculum, and no shift.
        #[test]
        fn with_a_frozen_model_it_is_static(examples in 2_usize..60, chunks in 1_usize..9) {
            let chunks = chunks.min(examples);
            let (mut adaptive, mut fixed) = (sampler(examples, chunks), sampler(examples, chunks));
            for _ in 0..2 * chunks {
                prop_assert_eq!(step(&mut adaptive, 0), fixed.plan().ids);
                prop_assert_eq!(adaptive.shift().unwrap_or(0.0), 0.0);
            }
        }

        /// Saved and restored at any moment, between scores too, it goes on as if it had not been.
        #[test]
        fn it_goes_on_from_a_checkpoint(examples in 2_usize..40, chunks in 1_usize..6, kill in 0_usize..8) {
            let chunks = chunks.min(examples);
            let mut straight = sampler(examples, chunks);
            let mut other = sampler(examples, chunks);
            for time in 0..8 {
                let ids = straight.plan().ids;
                prop_assert_eq!(&ids, &other.plan().ids);
                let next = straight.to_score().to_vec();
                let (few, rest) = next.split_at(next.len() / 2);
                for half in [few, rest] {
                    straight.observe(half, &scored(half, time)).unwrap();
                    other.observe(half, &scored(half, time)).unwrap();
                    if time == kill {
                        let bytes = other.save().unwrap();
                        other = sampler(examples, chunks);
                        other.load(&bytes).unwrap();
                    }
                }
                prop_assert_eq!(&straight, &other);
            }
        }
    }
}
