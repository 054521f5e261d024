//! # Uniform, DynamicRandom, StaticSubset
//!
//! The orders that everything else is compared with.
//!
//! Source: plain shuffling; the dynamic and static baselines of arXiv 2503.13385.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::draw::{count, generator, shuffled, subset};
use super::part::part;
use super::scores;
use crate::error::{CurriculumError, Result, check, check_examples, counted, same};
use crate::sampler::{EpochPlan, Sampler};

/// All examples in a new random order each epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Uniform {
    examples: usize,
    seed: u64,
    epoch: usize,
}

checked_serde!(Uniform);

impl Checked for Uniform {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_examples(self.examples)?;
        counted("epoch", self.epoch)
    }
}

part!(Uniform, "uniform 1");
part!(DynamicRandom, "dynamic random 1");
part!(StaticSubset, "static subset 1");

impl Uniform {
    /// For a data set of `examples`, 1 to 2^28.
    ///
    /// # Errors
    /// If there is no example, or more than 2^28.
    pub fn new(examples: usize, seed: u64) -> Result<Self> {
        check_examples(examples)?;
        let epoch = 0;
        Ok(Self {
            examples,
            seed,
            epoch,
        })
    }
}

impl Sampler for Uniform {
    fn examples(&self) -> usize {
        self.examples
    }

    fn plan(&mut self) -> EpochPlan {
        self.epoch += 1;
        let mut rng = generator(self.seed, self.epoch);
        EpochPlan::new(shuffled((0..self.examples).collect(), &mut rng))
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        scores::check(self.examples, ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("examples", &self.examples, &saved.examples)?;
        same("seed", &self.seed, &saved.seed)
    }
}

/// A new random share of the examples each epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct DynamicRandom {
    all: Uniform,
    keep: f64,
}

checked_serde!(DynamicRandom);

impl Checked for DynamicRandom {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_keep(self.keep)
    }
}

fn check_keep(keep: f64) -> Result<()> {
    check("keep", keep, keep > 0.0 && keep <= 1.0, "above 0, up to 1")
}

impl DynamicRandom {
    /// Keeps `floor(keep * examples)` an epoch, at least one, `keep` above 0 and up to 1.
    ///
    /// # Errors
    /// If there is no example or more than 2^28, or `keep` is out of range.
    pub fn new(examples: usize, keep: f64, seed: u64) -> Result<Self> {
        check_keep(keep)?;
        let all = Uniform::new(examples, seed)?;
        Ok(Self { all, keep })
    }
}

impl Sampler for DynamicRandom {
    fn examples(&self) -> usize {
        self.all.examples
    }

    fn plan(&mut self) -> EpochPlan {
        self.all.epoch += 1;
        let mut rng = generator(self.all.seed, self.all.epoch);
        let ids = subset(self.keep, self.all.examples, &mut rng);
        EpochPlan::new(shuffled(ids, &mut rng))
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        self.all.observe(ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        self.all.accepts(&saved.all)?;
        same("keep", &self.keep, &saved.keep)
    }
}

/// The first share of the examples for ever, in a new random order each epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct StaticSubset {
    all: Uniform,
    keep: f64,
}

checked_serde!(StaticSubset);

impl Checked for StaticSubset {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_keep(self.keep)
    }
}

impl StaticSubset {
    /// Keeps the first `floor(keep * examples)`, at least one, `keep` above 0 and up to 1.
    ///
    /// # Errors
    /// If there is no example or more than 2^28, or `keep` is out of range.
    pub fn new(examples: usize, keep: f64, seed: u64) -> Result<Self> {
        let DynamicRandom { all, keep } = DynamicRandom::new(examples, keep, seed)?;
        Ok(Self { all, keep })
    }
}

impl Sampler for StaticSubset {
    fn examples(&self) -> usize {
        self.all.examples
    }

    fn plan(&mut self) -> EpochPlan {
        self.all.epoch += 1;
        let mut rng = generator(self.all.seed, self.all.epoch);
        let kept = count(self.keep, self.all.examples).max(1);
        let kept = (0..kept).collect();
        EpochPlan::new(shuffled(kept, &mut rng))
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        self.all.observe(ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        self.all.accepts(&saved.all)?;
        same("keep", &self.keep, &saved.keep)
    }
}
