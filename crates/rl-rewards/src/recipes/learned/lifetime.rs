//! # Lifetime
//!
//! How much of a training run is left, as the inputs of a learned objective: the fraction used and the logarithm of the horizon.
//!
//! Source: TA-LPG in "Discovering Temporally-Aware Reinforcement Learning Algorithms", arXiv 2402.05828, equations 9 and 10.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check};

/// A place in a training run: `done` of `horizon` updates.
///
/// A learned objective that reads [`fraction`](Self::fraction) alone can't tell 10 updates from 10,000; the logarithm of the horizon beyond
/// those of meta-training is an input that the network has never seen.
///
/// ```
/// use regimen_rl_rewards::recipes::learned::Lifetime;
///
/// let life = Lifetime::new(25, 100)?;
/// assert_eq!(life.inputs(), [0.25, 100.0_f64.ln()]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Lifetime {
    done: usize,
    horizon: usize,
}
checked_serde!(Lifetime);

impl Lifetime {
    /// After `done` of `horizon` updates.
    ///
    /// # Errors
    /// If the horizon is 0, or `done` is above it.
    pub fn new(done: usize, horizon: usize) -> Result<Self> {
        Self { done, horizon }.checked()
    }

    /// `n / N`, from 0 to 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        self.done as f64 / self.horizon as f64
    }

    /// `ln N`.
    #[must_use]
    pub fn log_horizon(self) -> f64 {
        (self.horizon as f64).ln()
    }

    /// `[n / N, ln N]`.
    #[must_use]
    pub fn inputs(self) -> [f64; 2] {
        [self.fraction(), self.log_horizon()]
    }
}

impl Checked for Lifetime {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let horizon = self.horizon;
        check("horizon", horizon as f64, horizon > 0, "1 or more")?;
        let good = self.done <= horizon;
        check("done", self.done as f64, good, "up to the horizon")
    }
}

/// Horizons of meta-training: `exp(U(ln least, ln most))`, rounded.
///
/// ```
/// use regimen_rl_rewards::recipes::learned::Horizons;
///
/// let horizons = Horizons::new(10, 250)?;
/// assert_eq!([0.0, 0.5, 1.0].map(|share| horizons.at(share)), [10, 50, 250]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Horizons {
    least: usize,
    most: usize,
}
checked_serde!(Horizons);

impl Horizons {
    /// From `least` to `most` updates.
    ///
    /// # Errors
    /// If `least` is 0 or above `most`, or `most` is above 2^53.
    pub fn new(least: usize, most: usize) -> Result<Self> {
        Self { least, most }.checked()
    }

    /// The horizon at a share of the distribution: uniform shares within 0 and 1 give the distribution. Shares outside count as 0 or 1, NaN
    /// as 0.
    #[must_use]
    pub fn at(self, share: f64) -> usize {
        let share = if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        };
        let [least, most] = [self.least, self.most].map(|n| (n as f64).ln());
        let value = (least + share * (most - least)).exp().round();
        (value as usize).clamp(self.least, self.most)
    }

    /// The least and the most.
    #[must_use]
    pub fn bounds(self) -> (usize, usize) {
        (self.least, self.most)
    }
}

impl Checked for Horizons {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let good = (1..=self.most).contains(&self.least);
        check("least", self.least as f64, good, "1 to `most`")?;
        let good = self.most as u64 <= 1 << 53;
        check("most", self.most as f64, good, "up to 2^53")
    }
}

/// What a candidate's parameters are worth: an agent is trained by them over its whole lifetime, and its final return counts.
///
/// Returns along the way are no part of the fitness: averaging them rewards another, greedier schedule. See
/// [`OpenEs::evolve`](super::OpenEs::evolve).
pub trait Lifetimes {
    /// What both members of a pair share: the task, the initial agent, the horizon.
    type Level;
    /// What can go wrong in a lifetime; the search's own errors are among it.
    type Error: From<RlRewardsError>;

    /// Draws a level.
    ///
    /// # Errors
    /// The user's own.
    fn level(&self, seed: u64) -> Result<Self::Level, Self::Error>;

    /// Trains an agent on the level with these parameters of its objective, and gives its final fitness, higher better. The seed is that of
    /// the agent's random stream; the members of a pair have streams of their own.
    ///
    /// # Errors
    /// The user's own. A candidate whose training diverges is no error: its fitness is NaN, and it loses.
    fn fitness(
        &self,
        parameters: &[f64],
        level: &Self::Level,
        seed: u64,
    ) -> Result<f64, Self::Error>;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Mean `240 / ln 25`, median `sqrt(2500)`.
    #[test]
    fn horizons_are_log_uniform() {
        let horizons = Horizons::new(10, 250).unwrap();
        let count = 200_000;
        let all: Vec<usize> = (0..count)
            .map(|i| horizons.at((f64::from(i) + 0.5) / f64::from(count)))
            .collect();
        let mean = all.iter().sum::<usize>() as f64 / f64::from(count);
        assert!((mean - 74.560).abs() < 0.02, "{mean}");
        assert_eq!(all[all.len() / 2], 50);
        assert_eq!((all[0], all[all.len() - 1]), (10, 250));
    }

    #[test]
    fn inputs_are_the_papers_and_not_raw_counts() {
        let life = Lifetime::new(5, 10).unwrap();
        assert_eq!(life.inputs(), [0.5, 10.0_f64.ln()]);
        assert!(Lifetime::new(11, 10).is_err() && Lifetime::new(0, 0).is_err());
    }
}
