//! # InfoBatch
//!
//! Drops a random share of the examples with a loss below the mean and weighs the others up.
//!
//! Source: Qin et al., "InfoBatch: Lossless Training Speed Up by Unbiased Dynamic Data Pruning", ICLR 2024,
//! arXiv 2303.04947.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::draw::{count, generator};
use super::part::part;
use super::scores::Scores;
use crate::error::{CurriculumError, Result, check, check_examples, counted, same};
use crate::sampler::{EpochPlan, Sampler};

/// How InfoBatch prunes.
///
/// | field | default | range |
/// |---|---|---|
/// | `epochs` | required | 1 or more: the length of the run |
/// | `prune_ratio` | 0.5 | `0..1`: the share of low-loss examples dropped; at least a tenth of them is kept |
/// | `delta` | 0.875 | `0..=1`: the part of the run that prunes |
/// | `seed` | 0 | any |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct InfoBatchConfig {
    /// The length of the run.
    pub epochs: usize,
    /// The share of low-loss examples dropped.
    pub prune_ratio: f64,
    /// The part of the run that prunes.
    pub delta: f64,
    /// Seed of the draws.
    pub seed: u64,
}
checked_serde!(InfoBatchConfig);

impl InfoBatchConfig {
    /// The authors' defaults for a run of `epochs`.
    #[must_use]
    pub fn new(epochs: usize) -> Self {
        Self {
            epochs,
            prune_ratio: 0.5,
            delta: 0.875,
            seed: 0,
        }
    }

    /// Another share of low-loss examples dropped.
    #[must_use]
    pub fn with_prune_ratio(mut self, prune_ratio: f64) -> Self {
        self.prune_ratio = prune_ratio;
        self
    }

    /// Another part of the run that prunes.
    #[must_use]
    pub fn with_delta(mut self, delta: f64) -> Self {
        self.delta = delta;
        self
    }

    /// Another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A sampler for a data set.
    ///
    /// # Errors
    /// If a parameter is out of its range, or there is no example or more than 2^28.
    pub fn init(&self, examples: usize) -> Result<InfoBatch> {
        check_examples(examples)?;
        self.check()?;
        Ok(InfoBatch {
            config: self.clone(),
            scores: Scores::new(examples),
            epoch: 0,
        })
    }

    fn keep(&self) -> f64 {
        (1.0 - self.prune_ratio).clamp(0.1, 1.0)
    }
}

impl Checked for InfoBatchConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check("epochs", self.epochs as f64, self.epochs > 0, "1 or more")?;
        let (ratio, delta) = (self.prune_ratio, self.delta);
        check(
            "prune_ratio",
            ratio,
            (0.0..1.0).contains(&ratio),
            "0 to below 1",
        )?;
        check("delta", delta, (0.0..=1.0).contains(&delta), "0 to 1")
    }
}

/// InfoBatch: unbiased dynamic pruning.
///
/// Of the `L` examples with a loss strictly below the mean, `floor(keep L)` are kept, at least one, with `keep = max(1 - r, 0.1)`; each of
/// them weighs `L / kept`, all others weigh 1; from the first annealing epoch on, all examples are used with weight 1. The loss of a
/// batch is `mean(weight * loss)`, and the stored scores are the unweighted losses.
///
/// Differs from the released code in three places. There a kept example weighs `1 / keep`, which is less than `L / kept` where
/// `keep L` is no whole number: the weights do not make up for what was dropped then. There none of one low-loss example is kept with the
/// default ratio. And there weights are reset only when `delta * epochs` is a whole number; here they always are.
///
/// ```
/// use regimen_curriculum::{InfoBatchConfig, Sampler};
///
/// let mut sampler = InfoBatchConfig::new(10).init(6)?;
/// assert_eq!(sampler.plan().ids.len(), 6); // nothing is known yet
/// sampler.observe(&[0, 1, 2, 3, 4, 5], &[0.2, 0.4, 0.6, 0.8, 1.0, 3.0])?;
/// let plan = sampler.plan();
/// assert_eq!(plan.ids.len(), 4);
/// assert_eq!(plan.weights.unwrap().iter().sum::<f32>(), 6.0);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct InfoBatch {
    config: InfoBatchConfig,
    scores: Scores,
    epoch: usize,
}
checked_serde!(InfoBatch);

impl Checked for InfoBatch {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        self.scores.check()?;
        counted("epoch", self.epoch)
    }
}

part!(InfoBatch, "infobatch 1");

impl Sampler for InfoBatch {
    fn examples(&self) -> usize {
        self.scores.values().len()
    }

    fn plan(&mut self) -> EpochPlan {
        use rand::seq::SliceRandom;
        let span = tracing::info_span!("infobatch plan", examples = self.examples());
        let _span = span.enter();
        self.epoch += 1;
        let mut rng = generator(self.config.seed, self.epoch);
        let scores = self.scores.values();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.shuffle(&mut rng);
        if self.epoch as f64 > self.config.delta * self.config.epochs as f64 {
            return EpochPlan::new(order);
        }
        let total: f64 = scores.iter().map(|score| f64::from(*score)).sum();
        // Rounded as scores are, so that a score equal to the mean is not below it.
        let mean = (total / scores.len() as f64) as f32;
        let low = |id: &usize| scores[*id] < mean;
        let lows = order.iter().filter(|id| low(id)).count();
        // The first of the shuffled low-loss examples are a uniform draw.
        let mut places = count(self.config.keep(), lows).max(1).min(lows);
        let weight = (lows as f64 / places.max(1) as f64) as f32;
        let mut ids = Vec::with_capacity(scores.len() - lows + places);
        let mut weights = Vec::with_capacity(ids.capacity());
        for id in order {
            if !low(&id) {
                ids.push(id);
                weights.push(1.0);
            } else if places > 0 {
                places -= 1;
                ids.push(id);
                weights.push(weight);
            }
        }
        // The kept low-loss examples came first among their kind: mix them in again.
        let mut pairs: Vec<(usize, f32)> = ids.into_iter().zip(weights).collect();
        pairs.shuffle(&mut rng);
        let (ids, weights) = pairs.into_iter().unzip();
        let weights = Some(weights);
        EpochPlan { ids, weights }
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        self.scores.observe(ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("examples", &self.examples(), &saved.examples())?;
        same("config", &self.config, &saved.config)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn infobatch_scores_mean_1() {
        let mut sampler = InfoBatchConfig::new(10).init(6).unwrap();
        let ids = [0, 1, 2, 3, 4, 5];
        sampler
            .observe(&ids, &[0.2, 0.4, 0.6, 0.8, 1.0, 3.0])
            .unwrap();
        let plan = sampler.plan();
        assert_eq!(plan.ids.len(), 4);
        for (position, id) in plan.ids.iter().enumerate() {
            let expected = if *id < 4 { 2.0 } else { 1.0 };
            assert_eq!(plan.weight(position), expected);
        }
        assert!(plan.ids.contains(&4) && plan.ids.contains(&5));
    }

    fn after(losses: &[f32], ratio: f64) -> EpochPlan {
        let config = InfoBatchConfig::new(10).with_prune_ratio(ratio);
        let mut sampler = config.init(losses.len()).unwrap();
        let ids: Vec<usize> = (0..losses.len()).collect();
        sampler.observe(&ids, losses).unwrap();
        sampler.plan()
    }

    #[test]
    fn one_low_loss_example_is_kept() {
        let mut plan = after(&[0.1, 2.0, 2.0], 0.5);
        plan.ids.sort_unstable();
        assert_eq!(plan.ids, [0, 1, 2]);
        assert_eq!(plan.weights, Some(vec![1.0; 3]));
    }

    #[test]
    fn a_tenth_of_the_low_losses_is_kept_at_least() {
        let mut losses = vec![0.1; 40];
        losses.extend([3.0; 5]);
        let plan = after(&losses, 0.99);
        assert_eq!(plan.ids.iter().filter(|id| **id < 40).count(), 4);
        assert_eq!(plan.weights.unwrap().iter().sum::<f32>(), 45.0);
    }

    #[test]
    fn an_odd_number_of_low_losses_is_made_up_for() {
        let plan = after(&[0.1, 0.1, 0.1, 0.1, 0.1, 9.0], 0.5);
        assert_eq!(plan.ids.len(), 3);
        assert_eq!(plan.weights.unwrap().iter().sum::<f32>(), 6.0);
    }

    #[test]
    fn the_first_epoch_prunes_nothing() {
        let mut sampler = InfoBatchConfig::new(10).init(50).unwrap();
        let plan = sampler.plan();
        assert_eq!(plan.ids.len(), 50);
        assert!((0..50).all(|position| plan.weight(position) == 1.0));
    }

    #[test]
    fn annealing_resets_weights_when_delta_e_is_no_integer() {
        let mut sampler = InfoBatchConfig::new(30).init(40).unwrap();
        let losses: Vec<f32> = (0..40).map(|i| i as f32).collect();
        sampler
            .observe(&(0..40).collect::<Vec<_>>(), &losses)
            .unwrap();
        for epoch in 1..=30 {
            let plan = sampler.plan();
            let pruning = epoch <= 26;
            assert_eq!(plan.ids.len() == 30, pruning, "epoch {epoch}");
            assert_eq!(plan.weights.is_some(), pruning);
        }
    }
}
