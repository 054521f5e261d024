//! # Grpo
//!
//! Rewards of a group, centred and divided by their deviation.
//!
//! Source: GRPO in "DeepSeekMath", arXiv 2402.03300; without the division, Dr. GRPO in "Understanding R1-Zero-Like Training", arXiv 2503.20783;
//! by the batch's deviation, arXiv 2508.08221.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::advantages::{Advantage, Advantages};
use super::groups::{Groups, mean};
use super::reinforce::centred;
use crate::error::{Result, RlRewardsError, check};

/// What centred rewards are divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The deviation of the group, plus epsilon.
    Group,
    /// The deviation of all rewards of the batch, plus epsilon.
    Batch,
    /// Nothing.
    None,
}

/// How a deviation is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deviation {
    /// Squares over `n - 1`, as `torch.std`: [1, 0] has 0.7071.
    Unbiased,
    /// Squares over `n`, as `numpy.std`: [1, 0] has 0.5.
    Population,
}

impl Deviation {
    /// The deviation of some values; 0 for one value or none.
    #[must_use]
    pub fn of(self, values: &[f64]) -> f64 {
        if values.len() < 2 {
            return 0.0;
        }
        let mean = mean(values);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let count = values.len() as f64;
        match self {
            Self::Unbiased => (squares / (count - 1.0)).sqrt(),
            Self::Population => (squares / count).sqrt(),
        }
    }
}

/// `A_i = (r_i - mean) / (std + epsilon)` in each group.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `scale` | group | [`Scale`] |
/// | `deviation` | unbiased | [`Deviation`] |
/// | `epsilon` | 1e-4 (TRL; verl: 1e-6) | 0 or more |
///
/// A group of one or of equal rewards has 0 and is counted. verl keeps the reward of a group of one.
///
/// Division by the group's deviation gives prompts that are nearly solved or nearly unsolved more weight: with a share of successes `p`
/// a success has `sqrt((1 - p) / p)` in place of `1 - p`.
///
/// ```
/// use regimen_rl_rewards::{Advantage, Groups, Grpo};
///
/// let groups = Groups::of_size(vec![1.0, 0.0, 1.0, 1.0], 2)?;
/// let advantages = Grpo::default().advantages(&groups)?;
/// assert!((advantages.values()[0] - 0.7070068).abs() < 1e-7);
/// assert_eq!(advantages.values()[2..], [0.0, 0.0]);
/// assert_eq!(advantages.no_signal().uniform, 1);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("Dr. GRPO", "scale_rewards", "norm_adv_by_std_in_grpo"))]
pub struct Grpo {
    scale: Scale,
    deviation: Deviation,
    epsilon: f64,
}
checked_serde!(Grpo);

impl Default for Grpo {
    fn default() -> Self {
        Self {
            scale: Scale::Group,
            deviation: Deviation::Unbiased,
            epsilon: 1e-4,
        }
    }
}

impl Grpo {
    /// Dr. GRPO: centred rewards, divided by nothing.
    #[must_use]
    pub fn dr() -> Self {
        Self::default().with_scale(Scale::None)
    }

    /// verl's: the default with an epsilon of 1e-6.
    #[must_use]
    pub fn verl() -> Self {
        let epsilon = 1e-6;
        Self {
            epsilon,
            ..Self::default()
        }
    }

    /// What centred rewards are divided by.
    #[must_use]
    pub fn with_scale(self, scale: Scale) -> Self {
        Self { scale, ..self }
    }

    /// How the deviation is estimated.
    #[must_use]
    pub fn with_deviation(self, deviation: Deviation) -> Self {
        Self { deviation, ..self }
    }

    /// What is added to the deviation, 0 or more.
    ///
    /// # Errors
    /// If `epsilon` is not finite or below 0.
    pub fn with_epsilon(self, epsilon: f64) -> Result<Self> {
        Self { epsilon, ..self }.checked()
    }
}

impl Checked for Grpo {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_epsilon(self.epsilon)
    }
}

impl Advantage for Grpo {
    fn advantages(&self, groups: &Groups) -> Result<Advantages> {
        let batch = self.deviation.of(groups.rewards());
        let values = groups.scatter(|rewards, _| {
            let scale = match self.scale {
                Scale::Group => self.deviation.of(rewards) + self.epsilon,
                Scale::Batch => batch + self.epsilon,
                Scale::None => 1.0,
            };
            over(&centred(rewards), scale)
        });
        Advantages::of_groups(values, groups)
    }
}

/// Values divided by a scale; 0 where the scale is 0, which differences too small for a deviation leave.
pub(super) fn over(values: &[f64], scale: f64) -> Vec<f64> {
    let divided = |value: &f64| if scale > 0.0 { value / scale } else { 0.0 };
    values.iter().map(divided).collect()
}

pub(super) fn check_epsilon(epsilon: f64) -> Result<()> {
    check("epsilon", epsilon, epsilon >= 0.0, "0 or more")
}
