//! A baseline that is kept from step to step.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use super::groups::{check_finite, mean};
use crate::error::{Result, RlRewardsError, check, check_same};

/// The mean reward of earlier steps, as an exponential average.
///
/// The first step has a baseline of 0, as nothing came before it. What is kept is corrected for its start:
/// `b = sum_s (1 - decay) decay^(now - s) mean_s / (1 - decay^steps)`.
///
/// ```
/// use regimen_rl_rewards::RunningMean;
///
/// let mut mean = RunningMean::new(0.9)?;
/// assert_eq!(mean.next(&[1.0, 0.0])?, 0.0);
/// assert_eq!(mean.next(&[1.0, 1.0])?, 0.5); // of the first step alone
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct RunningMean {
    decay: f64,
    sum: f64,
    weight: f64,
}
checked_serde!(RunningMean);

impl RunningMean {
    /// Keeps `decay` of what it had at each step, 0 to below 1.
    ///
    /// # Errors
    /// If `decay` is out of its range.
    pub fn new(decay: f64) -> Result<Self> {
        Self {
            decay,
            sum: 0.0,
            weight: 0.0,
        }
        .checked()
    }

    /// The baseline from earlier steps; takes up this step's rewards for later ones.
    ///
    /// # Errors
    /// If a reward is not finite, or there is none; nothing is taken up then.
    pub fn next(&mut self, rewards: &[f64]) -> Result<f64> {
        check_finite("rewards", rewards)?;
        let count = rewards.len();
        check("rewards", count as f64, count > 0, "one response or more")?;
        let baseline = self.value();
        self.sum = self.decay * self.sum + (1.0 - self.decay) * mean(rewards);
        self.weight = self.decay * self.weight + (1.0 - self.decay);
        Ok(baseline)
    }

    /// The mean so far; 0 before the first step.
    #[must_use]
    pub fn value(&self) -> f64 {
        if self.weight > 0.0 {
            self.sum / self.weight
        } else {
            0.0
        }
    }
}

impl Checked for RunningMean {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let decay = self.decay;
        check("decay", decay, (0.0..1.0).contains(&decay), "0 to below 1")?;
        let weight = self.weight;
        let good = weight == 0.0 || (1e-300..=1.0).contains(&weight);
        check("weight", weight, good, "0 to 1")?;
        check(
            "sum",
            self.value(),
            self.sum.is_finite(),
            "finite, as a mean of rewards",
        )
    }
}

impl Part for RunningMean {
    fn kind(&self) -> String {
        "running-mean 1".into()
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
