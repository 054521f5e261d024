//! # Gae
//!
//! Advantages of tokens from rewards and a value function.
//!
//! Source: "High-Dimensional Continuous Control Using Generalized Advantage Estimation", arXiv 1506.02438; masks as in verl 0.9.1.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::mask::TokenMask;
use super::returns::Returns;
use crate::advantage::Advantages;
use crate::error::{Result, RlRewardsError, check};

/// `delta_t = r_t + gamma V_{t+1} - V_t`, `A_t = delta_t + gamma lambda A_{t+1}`, with the value 0 after the end; returns are `A + V`.
///
/// | parameter | PPO's usual | range |
/// |---|---|---|
/// | `gamma` | 1 | 0 to 1 |
/// | `lambda` | 0.95 | 0 to 1 |
///
/// A masked token is as if it were not there: the next unmasked one follows at once, whatever its value says. Advantages are not
/// whitened; [`Returns::whitened`] does that.
///
/// ```
/// use regimen_rl_rewards::{Gae, TokenMask};
///
/// let mask = TokenMask::of_lengths(&[3], 3)?;
/// let found = Gae::new(1.0, 0.95)?.advantages(&[0.0, 0.0, 1.0], &[0.5, 0.6, 0.4], &mask)?;
/// let expected = [0.4515, 0.37, 0.6];
/// assert!(found.advantages.values().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12));
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Gae {
    gamma: f64,
    lambda: f64,
}
checked_serde!(Gae);

impl Gae {
    /// With a discount and the weight of longer returns, both 0 to 1.
    ///
    /// # Errors
    /// If one is out of its range.
    pub fn new(gamma: f64, lambda: f64) -> Result<Self> {
        Self { gamma, lambda }.checked()
    }

    /// From rewards and values of `[responses, tokens]`, row by row; anything may stand at masked places.
    ///
    /// # Errors
    /// If a size differs from the mask's, or a reward or value that counts is not finite.
    pub fn advantages(&self, rewards: &[f64], values: &[f64], mask: &TokenMask) -> Result<Returns> {
        mask.check("rewards", rewards)?;
        mask.check("values", values)?;
        let Self { gamma, lambda } = self;
        let advantages = mask.backwards((0.0, 0.0), |(next, later), at| {
            let delta = rewards[at] + gamma * *next - values[at];
            *later = delta + gamma * lambda * *later;
            *next = values[at];
            *later
        });
        let valid = advantages.iter().zip(values).zip(mask.values());
        let returns = valid.map(|((a, v), valid)| if *valid { a + v } else { 0.0 });
        let returns = returns.collect();
        let advantages = Advantages::of_tokens(advantages, mask.tokens())?;
        Ok(Returns {
            advantages,
            returns,
        })
    }
}

impl Checked for Gae {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let unit = |field, value: f64| check(field, value, (0.0..=1.0).contains(&value), "0 to 1");
        unit("gamma", self.gamma)?;
        unit("lambda", self.lambda)
    }
}
