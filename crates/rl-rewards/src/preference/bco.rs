//! # Bco
//!
//! A classifier of good and bad responses, each alone.
//!
//! Source: "Binary Classifier Optimization for Large Language Model Alignment", arXiv 2404.04656.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use super::dpo::check_beta;
use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError, check, check_same};

/// `-log sig(beta c - delta) - log sig(-(beta w - delta))`; `delta` = 0 is BCO of pairs.
///
/// `delta` is a running mean of `beta c` and `beta w`, kept by [`BcoShift`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Bco {
    beta: f64,
    #[serde(default)]
    shift: f64,
}
checked_serde!(Bco);

impl Bco {
    /// Without a shift; `beta` is above 0.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn new(beta: f64) -> Result<Self> {
        Self { beta, shift: 0.0 }.checked()
    }

    /// With a shift, as of [`BcoShift::value`].
    ///
    /// # Errors
    /// If it is not finite.
    pub fn with_shift(self, shift: f64) -> Result<Self> {
        Self { shift, ..self }.checked()
    }

    /// The mean of `beta c` and `beta w` over the pairs, `[1]`: what [`BcoShift::update`] takes once it is read.
    ///
    /// # Errors
    /// If the pairs have no reference.
    pub fn mean_reward(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (c, w) = pairs.ratios()?;
        let sums = c.sums().inner() + w.sums().inner();
        Ok(sums.mean() * (self.beta / 2.0))
    }
}

impl Checked for Bco {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)?;
        check("shift", self.shift, true, "finite")
    }
}

impl Preference for Bco {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (c, w) = pairs.ratios()?;
        let reward = |sums: Tensor<1>| sums * self.beta - self.shift;
        Ok(-log_sigmoid(reward(c.sums())) - log_sigmoid(-reward(w.sums())))
    }
}

/// The running mean of rewards that BCO takes off: `mean += (1 - decay) (batch - mean)`.
///
/// `decay` is 0.99 in TRL, 0 to below 1. The mean starts at 0, as there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct BcoShift {
    decay: f64,
    mean: f64,
}
checked_serde!(BcoShift);

impl BcoShift {
    /// A mean of 0.
    ///
    /// # Errors
    /// If `decay` is out of its range.
    pub fn new(decay: f64) -> Result<Self> {
        Self { decay, mean: 0.0 }.checked()
    }

    /// Takes up the mean reward of a step.
    ///
    /// # Errors
    /// If it is not finite; nothing is taken up then.
    pub fn update(&mut self, reward: f64) -> Result<f64> {
        check("reward", reward, true, "finite")?;
        self.mean = self.decay * self.mean + (1.0 - self.decay) * reward;
        Ok(self.mean)
    }

    /// The mean so far.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.mean
    }
}

impl Checked for BcoShift {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let decay = self.decay;
        check("decay", decay, (0.0..1.0).contains(&decay), "0 to below 1")?;
        check("mean", self.mean, true, "finite")
    }
}

impl Part for BcoShift {
    fn kind(&self) -> String {
        "bco-shift 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let read: Self = json::load(bytes)?;
        check_same("decay", read.decay == self.decay)?;
        *self = read;
        Ok(())
    }
}
