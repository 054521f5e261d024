//! # ReplayMix
//!
//! Batches of new data with a fraction of old data in each, at the cost of the new data alone: the data order of continual pre-training.
//!
//! Source: Ibrahim et al., "Simple and Scalable Strategies to Continually Pre-train Large Language Models", arXiv 2403.08763,
//! compute-equivalent replay.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_distr::{Binomial, Distribution};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::deck::{Deck, counts, shares};
use super::draw::{generator, shuffled};
use super::part::part;
use super::replay_mix_config::{ReplayDraw, ReplayMixConfig};
use super::scores;
use crate::batches::Replay;
use crate::error::{CurriculumError, Result, check, check_examples, count, counted, same};
use crate::sampler::{EpochPlan, Sampler};

/// Old data sets: at most so many.
const DOMAINS: usize = 1 << 16;

/// A [`Sampler`] whose every batch holds a fraction of old examples: see [`ReplayMixConfig`].
///
/// Ids are those of the old data sets, one after another, and then those of the new one, as `ComposedDataset` of Burn joins them. An
/// epoch is a number of whole batches. An example comes at most once in an epoch, and each once before any of its data set comes again,
/// over the epochs too. Within a batch old and new are shuffled, so that the slices of a training on several devices share the old ones.
///
/// ```
/// use regimen_curriculum::{ReplayMixConfig, Sampler};
///
/// // A twentieth of each batch of 64 from 10,000 old examples, the rest from 6,100 new ones.
/// let mut mix = ReplayMixConfig::new(0.05, 64).init(&[10_000], 6_100)?;
/// let plan = mix.plan();
/// let old = |batch: &[usize]| batch.iter().filter(|id| mix.is_old(**id)).count();
/// assert_eq!(plan.ids.chunks(64).take(5).map(old).collect::<Vec<_>>(), [3, 3, 4, 3, 3]);
/// assert_eq!((mix.batches(), old(&plan.ids)), (100, 320));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ReplayMix {
    replay: Replay,
    draw: ReplayDraw,
    weights: Vec<f64>,
    batches: usize,
    seed: u64,
    old: Vec<Deck>,
    fresh: Deck,
    epoch: usize,
}

checked_serde!(ReplayMix);
part!(ReplayMix, "replay mix 1");

impl ReplayMixConfig {
    /// The order alone, for old data sets of these sizes, whose ids come first, and a new one.
    ///
    /// # Errors
    /// If there are no examples or over 2^28, too few for one batch or for `batches`, or a number lies outside its range.
    pub fn init(&self, old: &[usize], fresh: usize) -> Result<ReplayMix> {
        ReplayMix::new(self, old, fresh)
    }
}

impl ReplayMix {
    fn new(config: &ReplayMixConfig, old: &[usize], fresh: usize) -> Result<Self> {
        let allowed = "up to 65536";
        count("old", old.len(), old.len() <= DOMAINS, allowed)?;
        let examples = old
            .iter()
            .fold(fresh, |sum, size| sum.saturating_add(*size));
        check_examples(examples)?;
        let replay = Replay::new(config.fraction, config.batch)?;
        let mut start = 0;
        let mut deck = |size: &usize| {
            let ids = (start..start + size).collect();
            start += size;
            Deck { ids, taken: 0 }
        };
        let weigh = |size: &usize| *size as f64;
        let weights = config.weights.clone();
        let mut mix = Self {
            replay,
            draw: config.draw,
            weights: weights.unwrap_or_else(|| old.iter().map(weigh).collect()),
            batches: 1,
            seed: config.seed,
            old: old.iter().map(&mut deck).collect(),
            fresh: deck(&fresh),
            epoch: 0,
        };
        mix.check_weights()?;
        let allowed = "at most what the old and the new data have for a batch";
        let most = mix.most_batches();
        count("batch", config.batch, most > 0, allowed)?;
        mix.batches = config.batches.unwrap_or(most);
        mix.checked()
    }

    /// The batches of an epoch.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// The fraction and the size of the batches.
    #[must_use]
    pub fn replay(&self) -> Replay {
        self.replay
    }

    /// Whether an example is one of the old data; those that there are not are not.
    #[must_use]
    pub fn is_old(&self, id: usize) -> bool {
        id < self.examples() - self.fresh.ids.len()
    }

    fn old_sizes(&self) -> Vec<usize> {
        self.old.iter().map(|deck| deck.ids.len()).collect()
    }

    /// Old examples that may be drawn.
    fn drawable(&self) -> usize {
        let weighted = self.weights.iter().zip(&self.old);
        let weighted = weighted.filter(|(weight, _)| **weight > 0.0);
        weighted.map(|(_, deck)| deck.ids.len()).sum()
    }

    /// The most batches in which no example comes twice.
    fn most_batches(&self) -> usize {
        let (fraction, batch) = (self.replay.fraction(), self.replay.batch() as f64);
        let limit = |examples: usize, each: f64| match each {
            0.0 => f64::INFINITY,
            // Against the rounding of products such as 0.05 * 64.
            each => (examples as f64 / each + 1e-9).floor(),
        };
        let old = limit(self.drawable(), fraction * batch);
        let fresh = limit(self.fresh.ids.len(), (1.0 - fraction) * batch);
        old.min(fresh) as usize
    }

    fn check_weights(&self) -> Result<()> {
        let (given, domains) = (self.weights.len(), self.old.len());
        let allowed = "one for each old data set";
        count("weights", given, given == domains, allowed)?;
        for weight in &self.weights {
            let good = (0.0..=1e300).contains(weight);
            check("weights", *weight, good, "0 to 1e300")?;
        }
        Ok(())
    }

    /// The old examples of each batch of an epoch whose first batch has this number.
    fn old_of_batches(&self, first: usize, rng: &mut impl Rng) -> Vec<usize> {
        let (fraction, batch) = (self.replay.fraction(), self.replay.batch());
        let each = fraction * batch as f64;
        let one = |step: usize| match (self.draw, Binomial::new(batch as u64, fraction)) {
            (ReplayDraw::Sample, Ok(binomial)) => binomial.sample(rng) as usize,
            (ReplayDraw::Round, _) => {
                each as usize + usize::from(rng.random::<f64>() < each.fract())
            }
            _ => self.replay.old(first.saturating_add(step)),
        };
        let mut olds: Vec<usize> = (0..self.batches).map(one).collect();
        // By chance an epoch may ask for more of one side than there is: the other gives it, one a batch.
        let all = self.batches * batch;
        let sum: usize = olds.iter().sum();
        let least = all.saturating_sub(self.fresh.ids.len());
        let wanted = sum.min(self.drawable()).max(least);
        let (mut over, mut under) = (sum.saturating_sub(wanted), wanted.saturating_sub(sum));
        while over + under > 0 {
            for old in &mut olds {
                if over > 0 && *old > 0 {
                    (*old, over) = (*old - 1, over - 1);
                } else if under > 0 && *old < batch {
                    (*old, under) = (*old + 1, under - 1);
                }
            }
        }
        olds
    }

    /// So many old examples, by the weights of their data sets, in random order.
    fn draw_old(&mut self, wanted: usize, rng: &mut impl Rng) -> Vec<usize> {
        let parts = counts(&shares(&self.weights), &self.old_sizes(), wanted);
        let mut drawn = Vec::with_capacity(wanted);
        for (deck, part) in self.old.iter_mut().zip(parts) {
            drawn.extend(deck.draw(part, rng));
        }
        shuffled(drawn, rng)
    }
}

impl Checked for ReplayMix {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_examples(self.examples())?;
        self.check_weights()?;
        let good = (1..=self.most_batches()).contains(&self.batches);
        let allowed = "1 to as many as no example comes twice in";
        count("batches", self.batches, good, allowed)?;
        let mut start = 0;
        for deck in self.old.iter().chain([&self.fresh]) {
            let end = start + deck.ids.len();
            let mut seen = vec![false; deck.ids.len()];
            for id in &deck.ids {
                let place = id.checked_sub(start).and_then(|at| seen.get_mut(at));
                match place {
                    None => {
                        let (id, examples) = (*id, end);
                        return Err(CurriculumError::UnknownExample { id, examples });
                    }
                    Some(true) => return Err(CurriculumError::Repeated { id: *id }),
                    Some(first) => *first = true,
                }
            }
            let good = deck.taken <= deck.ids.len();
            count("taken", deck.taken, good, "up to the data set's examples")?;
            start = end;
        }
        counted("epoch", self.epoch)
    }
}

impl Sampler for ReplayMix {
    fn examples(&self) -> usize {
        let old: usize = self.old.iter().map(|deck| deck.ids.len()).sum();
        old + self.fresh.ids.len()
    }

    fn plan(&mut self) -> EpochPlan {
        let first = self.epoch.saturating_mul(self.batches);
        let is_first = self.epoch == 0;
        self.epoch += 1;
        let mut rng = generator(self.seed, self.epoch);
        if is_first {
            let decks = self.old.iter_mut().chain([&mut self.fresh]);
            decks.for_each(|deck| deck.ids.shuffle(&mut rng));
        }
        let olds = self.old_of_batches(first, &mut rng);
        let (batch, sum) = (self.replay.batch(), olds.iter().sum());
        let mut old = self.draw_old(sum, &mut rng).into_iter();
        let fresh = self.fresh.draw(self.batches * batch - sum, &mut rng);
        let mut fresh = shuffled(fresh, &mut rng).into_iter();
        let mut ids = Vec::with_capacity(self.batches * batch);
        for count in olds {
            let start = ids.len();
            ids.extend(old.by_ref().take(count));
            ids.extend(fresh.by_ref().take(batch - count));
            ids[start..].shuffle(&mut rng);
        }
        EpochPlan::new(ids)
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        scores::check(self.examples(), ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("old", &self.old_sizes(), &saved.old_sizes())?;
        let (own, other) = (self.fresh.ids.len(), saved.fresh.ids.len());
        same("fresh", &own, &other)?;
        same("replay", &self.replay, &saved.replay)?;
        same("draw", &self.draw, &saved.draw)?;
        same("weights", &self.weights, &saved.weights)?;
        same("batches", &self.batches, &saved.batches)?;
        same("seed", &self.seed, &saved.seed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use regimen_tensor::stats::mean;

    use super::*;

    fn old_counts(mix: &mut ReplayMix, epochs: usize) -> Vec<f64> {
        let batch = mix.replay().batch();
        let mut counts = Vec::new();
        for _ in 0..epochs {
            let plan = mix.plan().ids;
            assert_eq!(plan.len(), mix.batches() * batch);
            let old = |ids: &[usize]| ids.iter().filter(|id| mix.is_old(**id)).count() as f64;
            counts.extend(plan.chunks(batch).map(old));
        }
        counts
    }

    fn variance(values: &[f64]) -> f64 {
        let centre = mean(values);
        mean(
            &values
                .iter()
                .map(|v| (v - centre).powi(2))
                .collect::<Vec<_>>(),
        )
    }

    /// The paper's smallest fractions at a batch of 64: 3.2 samples with a variance of 3.04 where each is drawn by itself.
    #[test]
    fn draws_have_the_mean_and_the_variance_of_the_specification() {
        for (draw, wanted) in [
            (ReplayDraw::Sample, 3.04),
            (ReplayDraw::Round, 0.16),
            (ReplayDraw::Even, 0.16),
        ] {
            let config = ReplayMixConfig::new(0.05, 64).with_draw(draw);
            let mut mix = config.with_batches(2_000).init(&[40_000], 200_000).unwrap();
            let counts = old_counts(&mut mix, 10);
            // 20,000 batches: three standard errors of the mean are below 0.04.
            assert!((mean(&counts) - 3.2).abs() < 0.04, "{draw:?}");
            let found = variance(&counts);
            assert!(
                (found - wanted).abs() < 0.05 * wanted + 0.005,
                "{draw:?}: {found}"
            );
        }
    }

    #[test]
    fn small_batches_lose_no_fraction() {
        // 5 % of 16 is 0.8 of a sample: cut to whole ones, nothing would be replayed.
        for draw in [ReplayDraw::Even, ReplayDraw::Round, ReplayDraw::Sample] {
            let config = ReplayMixConfig::new(0.05, 16).with_draw(draw);
            let mut mix = config.with_batches(1_000).init(&[2_000], 20_000).unwrap();
            let sum: f64 = old_counts(&mut mix, 1).iter().sum();
            assert!((sum - 800.0).abs() < 90.0, "{draw:?}: {sum}");
        }
    }

    #[test]
    fn nothing_and_everything() {
        let mut none = ReplayMixConfig::new(0.0, 4).init(&[], 10).unwrap();
        assert_eq!(
            (none.batches(), old_counts(&mut none, 3)),
            (2, vec![0.0; 6])
        );
        let mut all = ReplayMixConfig::new(1.0, 4).init(&[9], 10).unwrap();
        assert_eq!((all.batches(), old_counts(&mut all, 3)), (2, vec![4.0; 6]));
    }

    #[test]
    fn old_data_sets_share_by_size_or_by_weights() {
        let domains = |config: ReplayMixConfig| {
            let mut mix = config
                .with_batches(100)
                .init(&[300, 900, 600], 2_000)
                .unwrap();
            let plan = mix.plan().ids;
            let of =
                |range: std::ops::Range<usize>| plan.iter().filter(|id| range.contains(id)).count();
            [of(0..300), of(300..1_200), of(1_200..1_800)]
        };
        let config = ReplayMixConfig::new(0.25, 16);
        assert_eq!(domains(config.clone()), [67, 200, 133]);
        let weighted = config.with_weights(vec![1.0, 0.0, 1.0]);
        assert_eq!(domains(weighted), [200, 0, 200]);
    }

    #[test]
    fn each_example_comes_once_before_any_comes_again() {
        let config = ReplayMixConfig::new(0.25, 8).with_batches(3);
        let mut mix = config.init(&[5, 6], 29).unwrap();
        let mut seen = [0_usize; 40];
        for _ in 0..40 {
            let ids = mix.plan().ids;
            EpochPlan::new(ids.clone()).check().unwrap();
            ids.iter().for_each(|id| seen[*id] += 1);
            let of = &seen[11..];
            let (least, most) = (of.iter().min().unwrap(), of.iter().max().unwrap());
            assert!(most - least <= 1, "{seen:?}");
        }
        assert_eq!(seen[..11].iter().sum::<usize>(), 40 * 6);
    }

    #[test]
    fn what_can_not_be_is_named() {
        let message = |config: ReplayMixConfig, old: &[usize], fresh| {
            config.init(old, fresh).unwrap_err().to_string()
        };
        let config = ReplayMixConfig::new(0.25, 8);
        assert!(message(config.clone(), &[1], 60).contains("`batch` is 8"));
        assert!(message(config.clone(), &[20], 5).contains("`batch` is 8"));
        let many = config.clone().with_batches(9);
        assert!(message(many, &[16], 60).contains("`batches` is 9"));
        let none = config.clone().with_batches(0);
        assert!(message(none, &[16], 60).contains("`batches` is 0"));
        let weights = config.clone().with_weights(vec![1.0]);
        assert!(message(weights, &[16, 3], 60).contains("`weights` is 1"));
        let weights = config.with_weights(vec![0.0, f64::NAN]);
        assert!(message(weights, &[16, 3], 60).contains("`weights` is NaN"));
        assert!(message(ReplayMixConfig::new(1.5, 8), &[9], 9).contains("`fraction`"));
    }

    #[test]
    fn a_state_of_other_data_is_refused() {
        let of = |config: &ReplayMixConfig, old: &[usize]| config.init(old, 50).unwrap();
        let config = ReplayMixConfig::new(0.25, 8);
        let own = of(&config, &[20, 20]);
        let mut later = own.clone();
        later.plan();
        own.accepts(&later).unwrap();
        assert!(own.accepts(&of(&config, &[20, 21])).is_err());
        let other = config.with_draw(ReplayDraw::Sample);
        assert!(own.accepts(&of(&other, &[20, 20])).is_err());
    }

    proptest! {
        #[test]
        fn an_epoch_keeps_its_budget(
            fraction in 0.0_f64..=1.0, batch in 1_usize..40, old in prop::collection::vec(0_usize..200, 0..4),
            fresh in 0_usize..400, draw in prop::sample::select(vec![ReplayDraw::Even, ReplayDraw::Round, ReplayDraw::Sample]),
            seed in any::<u64>(),
        ) {
            let config = ReplayMixConfig::new(fraction, batch).with_draw(draw).with_seed(seed);
            let Ok(mut mix) = config.init(&old, fresh) else {
                let sum: usize = old.iter().sum();
                let enough = sum as f64 >= fraction * batch as f64 && fresh as f64 >= (1.0 - fraction) * batch as f64;
                prop_assert!(!enough || sum + fresh == 0);
                return Ok(());
            };
            for epoch in 0..3 {
                let plan = mix.plan();
                prop_assert_eq!(plan.ids.len(), mix.batches() * batch);
                plan.check().unwrap();
                prop_assert!(plan.ids.iter().all(|id| *id < mix.examples()));
                if draw == ReplayDraw::Even {
                    for (step, ids) in plan.ids.chunks(batch).enumerate() {
                        let found = ids.iter().filter(|id| mix.is_old(**id)).count();
                        prop_assert_eq!(found, mix.replay().old(epoch * mix.batches() + step));
                    }
                }
                let text = serde_json::to_string(&mix).unwrap();
                let mut again: ReplayMix = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(again.plan(), mix.clone().plan());
            }
        }
    }
}
