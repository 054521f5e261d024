//! # TrustGrpo
//!
//! GRPO with a second, unreliable reward, trusted less in groups where it likes wrong answers better than right ones, and faded out over
//! training.
//!
//! Source: "SophiaVL-R1: Reinforcing MLLMs Reasoning with Thinking Reward", arXiv 2505.17018.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::advantages::{Advantage, Advantages};
use super::groups::{Groups, check_length, mean};
use super::grpo::Grpo;
use crate::error::{Result, RlRewardsError, check};

/// `R_i = outcome_i + gamma alpha exp(-step / steps) thinking_i`, then [`Grpo`].
///
/// In each group `mu_c` is the mean thinking reward of responses with an outcome of at least `threshold`, `mu_w` that of the others:
/// `gamma = exp(min(mu_c - mu_w, 0))`, from 1/e to 1. A group without right or without wrong responses has 1.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `steps` | none: no fading | 1 or more; the paper: all RL steps, the released code: 500 |
/// | `alpha` | 0.3 | 0 or more |
/// | `threshold` | 0.5 | 0 to 1 |
/// | `trust` | on | |
/// | `gate` | off | a tolerance, 0 to 1 |
///
/// The gate drops the thinking reward of groups whose outcomes are equal within a tolerance. Without it the division by the deviation
/// cancels `gamma`, `alpha` and the fading in such a group: the thinking reward is all that it learns from, at full strength.
///
/// ```
/// use regimen_rl_rewards::{Groups, TrustGrpo};
///
/// let groups = Groups::of_size(vec![1.0, 0.0, 0.0, 0.0], 4)?;
/// let trusted = TrustGrpo::new().with_steps(1500)?.combine(&groups, &[0.3, 0.9, 0.8, 0.7], 0)?;
/// assert!((trusted.gamma[0] - 0.6065306597).abs() < 1e-10);
/// assert!((trusted.rewards[0] - 1.0545877594).abs() < 1e-10);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct TrustGrpo {
    grpo: Grpo,
    alpha: f64,
    threshold: f64,
    trust: bool,
    #[serde(default)]
    steps: Option<usize>,
    #[serde(default)]
    gate: Option<f64>,
}
checked_serde!(TrustGrpo);

/// Combined rewards, and how much the thinking reward was trusted.
#[derive(Clone, Debug, PartialEq)]
pub struct Trusted {
    /// One a response.
    pub rewards: Vec<f64>,
    /// One a group: `exp(min(mu_c - mu_w, 0))`, as it was used.
    pub gamma: Vec<f64>,
    /// The groups whose thinking reward the gate dropped.
    pub gated: Vec<bool>,
    /// `alpha exp(-step / steps)`, of all groups.
    pub alpha: f64,
}

impl Default for TrustGrpo {
    fn default() -> Self {
        Self {
            grpo: Grpo::default(),
            alpha: 0.3,
            threshold: 0.5,
            trust: true,
            steps: None,
            gate: None,
        }
    }
}

impl TrustGrpo {
    /// The paper's, without fading.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Fades the thinking reward by `exp(-step / steps)`.
    ///
    /// # Errors
    /// If `steps` is 0.
    pub fn with_steps(self, steps: usize) -> Result<Self> {
        let steps = Some(steps);
        Self { steps, ..self }.checked()
    }

    /// The weight of the thinking reward at step 0.
    ///
    /// # Errors
    /// If `alpha` is not finite or below 0.
    pub fn with_alpha(self, alpha: f64) -> Result<Self> {
        Self { alpha, ..self }.checked()
    }

    /// The least outcome of a right response.
    ///
    /// # Errors
    /// If `threshold` is not within 0 and 1.
    pub fn with_threshold(self, threshold: f64) -> Result<Self> {
        Self { threshold, ..self }.checked()
    }

    /// The same weight in every group: the arm without trust.
    #[must_use]
    pub fn without_trust(self) -> Self {
        let trust = false;
        Self { trust, ..self }
    }

    /// Drops the thinking reward of groups whose outcomes differ by no more than `tolerance`.
    ///
    /// # Errors
    /// If `tolerance` is not within 0 and 1.
    pub fn with_gate(self, tolerance: f64) -> Result<Self> {
        let gate = Some(tolerance);
        Self { gate, ..self }.checked()
    }

    /// How combined rewards become advantages.
    #[must_use]
    pub fn with_grpo(self, grpo: Grpo) -> Self {
        Self { grpo, ..self }
    }

    /// The combined rewards at a step of training; the rewards of `outcomes` and `thinking` are within 0 and 1, one a response.
    ///
    /// # Errors
    /// If a reward is out of its range, or the numbers differ.
    pub fn combine(&self, outcomes: &Groups, thinking: &[f64], step: usize) -> Result<Trusted> {
        check_length("thinking", thinking.len(), outcomes.responses())?;
        for (field, values) in [("outcomes", outcomes.rewards()), ("thinking", thinking)] {
            for value in values {
                check(field, *value, (0.0..=1.0).contains(value), "0 to 1")?;
            }
        }
        let faded = self
            .steps
            .map_or(1.0, |steps| (-(step as f64) / steps as f64).exp());
        let alpha = self.alpha * faded;
        let mut rewards = outcomes.rewards().to_vec();
        let (mut gamma, mut gated) = (Vec::new(), Vec::new());
        for group in 0..outcomes.len() {
            let members = outcomes.members(group);
            let right = |i: &&usize| outcomes.rewards()[**i] >= self.threshold;
            let of = |i: &usize| thinking[*i];
            let correct: Vec<f64> = members.iter().filter(right).map(of).collect();
            let wrong: Vec<f64> = members.iter().filter(|i| !right(i)).map(of).collect();
            let trust = if !self.trust || correct.is_empty() || wrong.is_empty() {
                1.0
            } else {
                (mean(&correct) - mean(&wrong)).min(0.0).exp()
            };
            let drop = self.gate.is_some_and(|most| {
                let outcomes = || members.iter().map(|i| outcomes.rewards()[*i]);
                let (low, high) = (
                    outcomes().fold(1.0, f64::min),
                    outcomes().fold(0.0, f64::max),
                );
                high - low <= most
            });
            for member in members {
                let extra = trust * alpha * thinking[*member];
                rewards[*member] += if drop { 0.0 } else { extra };
            }
            gamma.push(trust);
            gated.push(drop);
        }
        Ok(Trusted {
            rewards,
            gamma,
            gated,
            alpha,
        })
    }

    /// The advantages of [`combine`](Self::combine)d rewards.
    ///
    /// # Errors
    /// As [`combine`](Self::combine).
    pub fn advantages(
        &self,
        outcomes: &Groups,
        thinking: &[f64],
        step: usize,
    ) -> Result<Advantages> {
        let combined = self.combine(outcomes, thinking, step)?;
        self.grpo
            .advantages(&outcomes.clone().with_rewards(combined.rewards)?)
    }
}

impl Checked for TrustGrpo {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let unit = |field, value: f64| check(field, value, (0.0..=1.0).contains(&value), "0 to 1");
        self.grpo.check()?;
        check("alpha", self.alpha, self.alpha >= 0.0, "0 or more")?;
        unit("threshold", self.threshold)?;
        unit("gate", self.gate.unwrap_or(0.0))?;
        let steps = self.steps.unwrap_or(1);
        check("steps", steps as f64, steps > 0, "1 or more")
    }
}
