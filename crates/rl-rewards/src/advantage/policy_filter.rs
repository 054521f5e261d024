//! # PolicyFilter
//!
//! Which responses of a step are trained on, drawn by their rewards: those that a reward model judges reliably.
//!
//! Source: "Policy Filtration in RLHF to Fine-Tune LLM for Code Generation" (PF-PPO), arXiv 2409.06957, as in verl 0.9.1.

use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check};

/// Added to each weight, so that none is 0.
const LEAST: f64 = 1e-8;

/// The weight of a response of reward `r` among those of a step.
///
/// | filter | weight |
/// |---|---|
/// | `Power(p)` | `abs(r)^p`, `p` from 0 to 64; verl takes 2 |
/// | `Extremes` | 1 for the highest and the lowest reward, 0 for others |
/// | `Best` | .4 for the highest reward, .1 for others |
///
/// ```
/// use regimen_rl_rewards::PolicyFilter;
///
/// let weights = PolicyFilter::Extremes.weights(&[0.0, 0.5, 1.0])?;
/// assert!(weights[0] > 0.99 && weights[1] < 1e-7 && weights[2] > 0.99);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[doc(alias("PF-PPO", "pf_ppo"))]
pub enum PolicyFilter {
    /// A power of the reward's size.
    Power(f64),
    /// The best and the worst.
    Extremes,
    /// The best more often.
    Best,
}
checked_serde!(PolicyFilter);

impl Checked for PolicyFilter {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        match self {
            Self::Power(power) => {
                let good = (0.0..=64.0).contains(power);
                check("power", *power, good, "0 to 64")
            }
            Self::Extremes | Self::Best => Ok(()),
        }
    }
}

impl PolicyFilter {
    /// The weight of each response, with 1e-8 added.
    ///
    /// # Errors
    /// If a power is out of its range, there is no reward, or a reward or its weight is not finite.
    pub fn weights(&self, rewards: &[f64]) -> Result<Vec<f64>> {
        self.check()?;
        check(
            "rewards",
            rewards.len() as f64,
            !rewards.is_empty(),
            "one or more",
        )?;
        for reward in rewards {
            check("reward", *reward, true, "finite numbers")?;
        }
        let high = rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let low = rewards.iter().copied().fold(f64::INFINITY, f64::min);
        let weight = |reward: &f64| match self {
            Self::Power(power) => reward.abs().powf(*power),
            Self::Extremes => f64::from(*reward == high || *reward == low),
            Self::Best if *reward == high => 0.4,
            Self::Best => 0.1,
        };
        let weights: Vec<f64> = rewards
            .iter()
            .map(|reward| weight(reward) + LEAST)
            .collect();
        let sum = weights.iter().sum::<f64>();
        check("sum of the weights", sum, true, "finite")?;
        Ok(weights)
    }

    /// Draws `count` places of responses with replacement; verl draws as many as there are.
    ///
    /// # Errors
    /// As [`weights`](Self::weights).
    pub fn draw(&self, rewards: &[f64], count: usize, rng: &mut impl Rng) -> Result<Vec<usize>> {
        let weights = self.weights(rewards)?;
        let drawn = WeightedIndex::new(&weights).map_err(|error| RlRewardsError::OutOfRange {
            field: "rewards",
            value: error.to_string(),
            allowed: "rewards whose weights can be drawn by",
        })?;
        Ok(drawn.sample_iter(rng).take(count).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn draws_follow_the_weights() {
        let rewards = [1.0, -2.0, 0.5, 2.0];
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
        let filter = PolicyFilter::Power(2.0);
        let drawn = filter.draw(&rewards, 92_500, &mut rng).unwrap();
        for (place, expected) in [10_000.0, 40_000.0, 2_500.0, 40_000.0]
            .into_iter()
            .enumerate()
        {
            let found = drawn.iter().filter(|one| **one == place).count() as f64;
            assert!(
                (found - expected).abs() < 5.0 * f64::sqrt(expected),
                "{found}"
            );
        }
        let ends = PolicyFilter::Extremes
            .draw(&rewards, 1000, &mut rng)
            .unwrap();
        assert!(ends.iter().all(|place| [1, 3].contains(place)));
        assert_eq!(
            PolicyFilter::Best.weights(&[1.0, 1.0]).unwrap(),
            [0.4 + LEAST; 2]
        );
        for bad in [&[][..], &[f64::NAN], &[1e200]] {
            assert!(filter.weights(bad).is_err());
        }
    }
}
