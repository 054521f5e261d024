//! # Rloo
//!
//! Each response against the mean reward of the others of its group.
//!
//! Source: "Back to Basics: Revisiting REINFORCE-Style Optimization for Learning from Human Feedback in LLMs" (RLOO), arXiv 2402.14740.

use serde::{Deserialize, Serialize};

use super::advantages::{Advantage, Advantages};
use super::groups::{Groups, mean};
use crate::error::Result;

/// `A_i = r_i - mean of the others = n / (n - 1) (r_i - mean)` in a group of `n`.
///
/// TRL's trainer takes `beta sum_t (lp_old - lp_ref)` off the rewards first, beta 0.05, and clips one ratio a sequence:
/// [`Groups::with_rewards`] and [`Objective::rloo`](crate::Objective::rloo).
///
/// ```
/// use regimen_rl_rewards::{Advantage, Groups, Rloo};
///
/// let groups = Groups::of_size(vec![1.0, 0.0, 0.0, 0.0], 4)?;
/// assert_eq!(Rloo.advantages(&groups)?.values()[0], 1.0);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rloo;

impl Advantage for Rloo {
    fn advantages(&self, groups: &Groups) -> Result<Advantages> {
        let values = groups.scatter(|rewards, _| {
            let (n, mean) = (rewards.len() as f64, mean(rewards));
            rewards.iter().map(|r| n / (n - 1.0) * (r - mean)).collect()
        });
        Advantages::of_groups(values, groups)
    }
}
