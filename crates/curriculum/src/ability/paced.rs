//! # AbilityPaced
//!
//! Trains on the examples whose difficulty is up to the model's ability, which is estimated anew every epoch.
//!
//! Source: PUDF, "A Psychology-based Unified Dynamic Framework for Curriculum Learning", arXiv 2408.05326: dynamic data selection by
//! model ability estimation (DDS-MAE)

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check, check_examples, count, counted, finite, same};
use crate::sampler::{EpochPlan, Sampler};
use crate::select::draw::{generator, shuffled};
use crate::select::part::part;
use crate::select::scores;

/// Settings of [`AbilityPaced`].
///
/// | field | default | meaning |
/// |---|---|---|
/// | `lower` | none | examples easier than the threshold by more than this, a number up to 0, are left out |
/// | `upper` | 0 | examples harder than the threshold by more than this are left out; `ln(1 / p - 1)` for a chance `p` to be right |
/// | `least` | 100 | an epoch of fewer examples has so many of the easiest ones instead |
/// | `bump` | .1 | what the threshold rises by where the ability does not, 0 or more |
/// | `patience` | 1 | estimates without a new best before each rise, 1 or more: 1 in the released trainer, 2 in its later description |
/// | `shuffle` | true | false: the easiest first within an epoch |
/// | `seed` | 0 | of the shuffles |
///
/// ```
/// use regimen_curriculum::Sampler;
/// use regimen_curriculum::ability::AbilityPacedConfig;
///
/// let difficulties: Vec<f64> = (0..1000).map(|id| f64::from(id) / 100.0 - 5.0).collect();
/// let mut sampler = AbilityPacedConfig::new().init(&difficulties)?;
/// sampler.report(-1.0)?; // `irt::ability` of the answers to held-out items, before the first epoch
/// assert_eq!(sampler.plan().ids.len(), 401);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct AbilityPacedConfig {
    lower: Option<f64>,
    upper: f64,
    least: usize,
    bump: f64,
    patience: usize,
    shuffle: bool,
    seed: u64,
}

checked_serde!(AbilityPacedConfig);

impl Default for AbilityPacedConfig {
    fn default() -> Self {
        Self {
            lower: None,
            upper: 0.0,
            least: 100,
            bump: 0.1,
            patience: 1,
            shuffle: true,
            seed: 0,
        }
    }
}

impl Checked for AbilityPacedConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        if let Some(lower) = self.lower {
            check(
                "lower",
                lower,
                (-1e6..=0.0).contains(&lower),
                "-1000000 to 0",
            )?;
        }
        let upper = (-1e6..=1e6).contains(&self.upper);
        check("upper", self.upper, upper, "-1000000 to 1000000")?;
        let bump = (0.0..=1e6).contains(&self.bump);
        check("bump", self.bump, bump, "0 to 1000000")?;
        let least = (1..=1 << 28).contains(&self.least);
        count("least", self.least, least, "1 to 268435456 (2^28)")?;
        count("patience", self.patience, self.patience > 0, "1 or more")
    }
}

impl AbilityPacedConfig {
    /// All examples up to the ability, at least 100.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves out what is easier than the threshold by more than this, a number up to 0.
    #[must_use]
    pub fn with_lower(mut self, lower: f64) -> Self {
        self.lower = Some(lower);
        self
    }

    /// Leaves out what is harder than the threshold by more than this.
    #[must_use]
    pub fn with_upper(mut self, upper: f64) -> Self {
        self.upper = upper;
        self
    }

    /// The fewest examples of an epoch.
    #[must_use]
    pub fn with_least(mut self, least: usize) -> Self {
        self.least = least;
        self
    }

    /// What the threshold rises by where the ability does not.
    #[must_use]
    pub fn with_bump(mut self, bump: f64) -> Self {
        self.bump = bump;
        self
    }

    /// Estimates without a new best before each rise.
    #[must_use]
    pub fn with_patience(mut self, patience: usize) -> Self {
        self.patience = patience;
        self
    }

    /// Whether an epoch is in random order, else the easiest first.
    #[must_use]
    pub fn with_shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// Another seed of the shuffles.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A sampler over the examples of these difficulties, on the scale of the abilities: both from one fit.
    ///
    /// # Errors
    /// If a setting lies outside its range, there is no example or over 2^28, or a difficulty is not finite.
    pub fn init(&self, difficulties: &[f64]) -> Result<AbilityPaced> {
        let sampler = AbilityPaced {
            config: self.clone(),
            difficulties: difficulties.to_vec(),
            threshold: 0.0,
            best: -5.0,
            stagnant: 0,
            epoch: 0,
        };
        sampler.checked()
    }
}

/// The examples up to a threshold, which follows the model's ability.
///
/// Before the first epoch and after each, take the model's answers to held-out items of the same fit, estimate the
/// [`ability`](super::irt::ability()) and [`report`](Self::report) it; of a sampler in a loader by
/// [`Feedback::with_sampler`](crate::loader::Feedback::with_sampler). Losses change nothing.
///
/// A threshold that rose by bumps is no ability any more. An early stop by a score that stays the same may end the run before most
/// examples were seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct AbilityPaced {
    config: AbilityPacedConfig,
    difficulties: Vec<f64>,
    threshold: f64,
    /// The best ability so far.
    best: f64,
    /// Estimates since the best, or since the last bump.
    stagnant: usize,
    epoch: usize,
}

checked_serde!(AbilityPaced);

impl Checked for AbilityPaced {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        check_examples(self.difficulties.len())?;
        finite("difficulties", &self.difficulties)?;
        finite("threshold", &[self.threshold])?;
        finite("best", &[self.best])?;
        let waits = self.stagnant < self.config.patience;
        count("stagnant", self.stagnant, waits, "below `patience`")?;
        counted("epoch", self.epoch)
    }
}

part!(AbilityPaced, "ability paced 1");

impl AbilityPaced {
    /// Takes an estimate of the ability: the threshold becomes it where it is the best so far, else it rises by the bump.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn report(&mut self, ability: f64) -> Result<()> {
        finite("ability", &[ability])?;
        if ability > self.best {
            (self.threshold, self.best, self.stagnant) = (ability, ability, 0);
            return Ok(());
        }
        self.stagnant += 1;
        if self.stagnant >= self.config.patience {
            self.stagnant = 0;
            self.threshold = (self.threshold + self.config.bump).min(f64::MAX);
        }
        Ok(())
    }

    /// The difficulty up to which examples are trained on, `upper` aside.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold
    }
}

impl Sampler for AbilityPaced {
    fn examples(&self) -> usize {
        self.difficulties.len()
    }

    fn plan(&mut self) -> EpochPlan {
        self.epoch += 1;
        let AbilityPacedConfig { lower, upper, .. } = self.config;
        let is_in = |id: &usize| {
            let above = self.difficulties[*id] - self.threshold;
            above <= upper && lower.is_none_or(|lower| above >= lower)
        };
        let mut ids: Vec<usize> = (0..self.difficulties.len()).filter(is_in).collect();
        let easier = |a: &usize, b: &usize| self.difficulties[*a].total_cmp(&self.difficulties[*b]);
        let least = self.config.least.min(self.difficulties.len());
        if ids.len() < least {
            ids = (0..self.difficulties.len()).collect();
            ids.sort_by(easier);
            ids.truncate(least);
        }
        if self.config.shuffle {
            ids.sort_unstable();
            let mut rng = generator(self.config.seed, self.epoch);
            return EpochPlan::new(shuffled(ids, &mut rng));
        }
        ids.sort_by(easier);
        EpochPlan::new(ids)
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        scores::check(self.difficulties.len(), ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("config", &self.config, &saved.config)?;
        same(
            "examples",
            &self.difficulties.len(),
            &saved.difficulties.len(),
        )?;
        same("difficulties", &self.difficulties, &saved.difficulties)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sampler(config: AbilityPacedConfig) -> AbilityPaced {
        let difficulties: Vec<f64> = (0..50).map(|id| f64::from(id * 7 % 50) / 10.0).collect();
        config.init(&difficulties).unwrap()
    }

    #[test]
    fn the_threshold_follows_the_best_ability_and_rises_else() {
        let mut one = sampler(AbilityPacedConfig::new());
        let mut two = sampler(AbilityPacedConfig::new().with_patience(2));
        let (mut trace, mut slow) = (Vec::new(), Vec::new());
        for ability in [-0.3, 0.4, 0.2, 0.35, 0.9] {
            one.report(ability).unwrap();
            two.report(ability).unwrap();
            trace.push((10.0 * one.threshold()).round() / 10.0);
            slow.push((10.0 * two.threshold()).round() / 10.0);
        }
        assert_eq!(trace, [-0.3, 0.4, 0.5, 0.6, 0.9]);
        assert_eq!(slow, [-0.3, 0.4, 0.4, 0.5, 0.9]);
        assert!(one.report(f64::INFINITY).is_err());
    }

    #[test]
    fn an_epoch_has_what_is_easy_enough() {
        let mut of = sampler(AbilityPacedConfig::new().with_least(5).with_shuffle(false));
        of.report(2.0).unwrap();
        let ids = of.plan().ids;
        assert_eq!(ids.len(), 21);
        let difficulties: Vec<f64> = ids.iter().map(|id| of.difficulties[*id]).collect();
        assert!(difficulties.windows(2).all(|pair| pair[0] < pair[1]) && difficulties[20] == 2.0);
        let mut band = sampler(AbilityPacedConfig::new().with_least(5).with_lower(-0.55));
        band.report(2.0).unwrap();
        assert_eq!(band.plan().ids.len(), 6);
        // None is easy enough: the five easiest.
        let mut few = sampler(AbilityPacedConfig::new().with_least(5));
        few.report(-1.0).unwrap();
        let mut ids = few.plan().ids;
        ids.sort_unstable();
        let mut easiest: Vec<usize> = (0..50).filter(|id| id * 7 % 50 < 5).collect();
        easiest.sort_unstable();
        assert_eq!(ids, easiest);
        assert_ne!(few.plan().ids, few.plan().ids);
        let mut all = sampler(AbilityPacedConfig::new().with_least(1000));
        assert_eq!(all.plan().ids.len(), 50);
    }
}
