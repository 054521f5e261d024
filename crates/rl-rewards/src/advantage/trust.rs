//! # TrustGrpo
//!
//! GRPO with a second, unreliable reward, trusted less in groups where it likes wrong answers better than right ones, and faded out over
//! training.
//!
//! Source: "SophiaVL-R1: Reinforcing MLLMs Reasoning with Thinking Reward", arXiv 2505.17018.

use regimen_schedules::{AnySchedule, Schedule};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::advantages::{Advantage, Advantages};
use super::groups::{Groups, check_length, mean};
use super::grpo::Grpo;
use crate::error::{Result, RlRewardsError, check};

/// `R_i = outcome_i + gamma alpha fading(step) thinking_i`, then [`Grpo`].
///
/// In each group `mu_c` is the mean thinking reward of responses with an outcome of at least `threshold`, `mu_w` that of the others:
/// `gamma = exp(min(mu_c - mu_w, 0))`, from 1/e to 1. A group without right or without wrong responses has 1. `step` counts updates of
/// the policy, not samples: restore it with the run.
///
/// | parameter | default | range |
/// |---|---|---|
/// | fading | none: 1 | `exp(-step / steps)` by [`with_steps`](Self::with_steps), or any schedule by [`with_fading`](Self::with_fading) |
/// | `alpha` | 0.3 | 0 or more |
/// | `threshold` | 0.5 | 0 to 1 |
/// | `trust` | on | |
/// | gate | off | a tolerance by [`with_gate`](Self::with_gate), or two bounds by [`with_gate_beyond`](Self::with_gate_beyond) |
/// | `scored_from` | 0: all | the least outcome whose thinking reward counts, 0 to 1 |
///
/// The gate drops the thinking reward of groups whose outcomes say nothing. Without it the division by the deviation
/// cancels `gamma`, `alpha` and the fading in such a group: the thinking reward is all that it learns from, at full strength.
///
/// [`released`](Self::released) has the settings of the reward function that the authors published, which differ from the paper's.
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct TrustGrpo {
    grpo: Grpo,
    alpha: f64,
    threshold: f64,
    trust: bool,
    #[serde(default)]
    fading: Option<Fading>,
    #[serde(default)]
    gate: Option<Gate>,
    #[serde(default)]
    scored_from: f64,
}
checked_serde!(TrustGrpo);

/// How the thinking reward goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fading {
    /// `exp(-step / steps)`.
    Steps(usize),
    Schedule(AnySchedule),
}

/// Which groups lose the thinking reward, by their outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Gate {
    /// The largest and the least differ by no more than this.
    Alike(f64),
    /// All are at most the first, or all at least the second.
    Beyond(f64, f64),
}

impl Gate {
    fn drops(self, outcomes: &[f64]) -> bool {
        let low = outcomes.iter().copied().fold(1.0, f64::min);
        let high = outcomes.iter().copied().fold(0.0, f64::max);
        match self {
            Self::Alike(most) => high - low <= most,
            Self::Beyond(wrong, right) => high <= wrong || low >= right,
        }
    }
}

/// Combined rewards, and how much the thinking reward was trusted.
#[derive(Clone, Debug, PartialEq)]
pub struct Trusted {
    /// One a response.
    pub rewards: Vec<f64>,
    /// One a group: `exp(min(mu_c - mu_w, 0))`, as it was used.
    pub gamma: Vec<f64>,
    /// The groups whose thinking reward the gate dropped.
    pub gated: Vec<bool>,
    /// `alpha` times the fading, of all groups.
    pub alpha: f64,
}

impl Default for TrustGrpo {
    fn default() -> Self {
        Self {
            grpo: Grpo::default(),
            alpha: 0.3,
            threshold: 0.5,
            trust: true,
            fading: None,
            gate: None,
            scored_from: 0.0,
        }
    }
}

impl TrustGrpo {
    /// The paper's, without fading.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As the authors' published reward function: faded over 500 steps, gated where all outcomes are at least 0.9 or at most 0.1, and
    /// without the thinking reward of outcomes below 0.2; [`Grpo::verl`].
    ///
    /// With outcomes of 0 and 1 alone its `gamma` is always 1, since wrong responses then have no thinking reward: trust needs outcomes
    /// from 0.2 to `threshold`. What it logs as `gamma` is another number than what it uses; [`Trusted::gamma`] is what is used.
    #[must_use]
    pub fn released() -> Self {
        Self {
            grpo: Grpo::verl(),
            fading: Some(Fading::Steps(500)),
            gate: Some(Gate::Beyond(0.1, 0.9)),
            scored_from: 0.2,
            ..Self::default()
        }
    }

    /// Fades the thinking reward by `exp(-step / steps)`: the paper has the number of all RL steps here.
    ///
    /// # Errors
    /// If `steps` is 0.
    pub fn with_steps(self, steps: usize) -> Result<Self> {
        let fading = Some(Fading::Steps(steps));
        Self { fading, ..self }.checked()
    }

    /// Fades the thinking reward by a schedule over the steps of training, whose values are 0 or more.
    ///
    /// ```
    /// use regimen_rl_rewards::{Groups, TrustGrpo};
    /// use regimen_schedules::Linear;
    ///
    /// let trust = TrustGrpo::new().with_fading(Linear::new(1.0, 100)?);
    /// let groups = Groups::of_size(vec![1.0, 0.0], 2)?;
    /// assert_eq!(trust.combine(&groups, &[1.0, 0.0], 50)?.rewards, [1.15, 0.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_fading(self, schedule: impl Into<AnySchedule>) -> Self {
        let fading = Some(Fading::Schedule(schedule.into()));
        Self { fading, ..self }
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
        let gate = Some(Gate::Alike(tolerance));
        Self { gate, ..self }.checked()
    }

    /// Drops the thinking reward of groups whose outcomes are all at most `wrong`, or all at least `right`: 0.1 and 0.9 in the released
    /// code.
    ///
    /// # Errors
    /// If they are not within 0 and 1, or not in order.
    pub fn with_gate_beyond(self, wrong: f64, right: f64) -> Result<Self> {
        let gate = Some(Gate::Beyond(wrong, right));
        Self { gate, ..self }.checked()
    }

    /// Takes the thinking reward as 0 where the outcome is below `least`, 0.2 in the released code, which does not ask its scorer there.
    ///
    /// # Errors
    /// If `least` is not within 0 and 1.
    pub fn with_scored_from(self, least: f64) -> Result<Self> {
        let scored_from = least;
        Self {
            scored_from,
            ..self
        }
        .checked()
    }

    /// How combined rewards become advantages.
    #[must_use]
    pub fn with_grpo(self, grpo: Grpo) -> Self {
        Self { grpo, ..self }
    }

    /// The combined rewards at a step of training; the rewards of `outcomes` and `thinking` are within 0 and 1, one a response.
    ///
    /// # Errors
    /// If a reward is out of its range, the numbers differ, or the fading is not finite or below 0 at this step.
    pub fn combine(&self, outcomes: &Groups, thinking: &[f64], step: usize) -> Result<Trusted> {
        check_length("thinking", thinking.len(), outcomes.responses())?;
        for (field, values) in [("outcomes", outcomes.rewards()), ("thinking", thinking)] {
            for value in values {
                check(field, *value, (0.0..=1.0).contains(value), "0 to 1")?;
            }
        }
        let alpha = self.alpha * self.fading_at(step)?;
        check("alpha times the fading", alpha, true, "finite")?;
        let mut rewards = outcomes.rewards().to_vec();
        let (mut gamma, mut gated) = (Vec::new(), Vec::new());
        for group in 0..outcomes.len() {
            let members = outcomes.members(group);
            let outcome = |i: &usize| outcomes.rewards()[*i];
            let thought = |i: &usize| {
                let counts = outcome(i) >= self.scored_from;
                if counts { thinking[*i] } else { 0.0 }
            };
            let (right, wrong): (Vec<usize>, Vec<usize>) =
                members.iter().partition(|i| outcome(i) >= self.threshold);
            let liked = |of: &[usize]| mean(&of.iter().map(thought).collect::<Vec<_>>());
            let trust = if !self.trust || right.is_empty() || wrong.is_empty() {
                1.0
            } else {
                (liked(&right) - liked(&wrong)).min(0.0).exp()
            };
            let all: Vec<f64> = members.iter().map(outcome).collect();
            let drop = self.gate.is_some_and(|gate| gate.drops(&all));
            for member in members {
                let extra = trust * alpha * thought(member);
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

    fn fading_at(&self, step: usize) -> Result<f64> {
        let fading = match &self.fading {
            None => 1.0,
            Some(Fading::Steps(steps)) => (-(step as f64) / *steps as f64).exp(),
            Some(Fading::Schedule(schedule)) => schedule.at(step),
        };
        check("fading", fading, fading >= 0.0, "0 or more")?;
        Ok(fading)
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
        unit("scored_from", self.scored_from)?;
        match self.gate {
            None => {}
            Some(Gate::Alike(most)) => unit("gate", most)?,
            Some(Gate::Beyond(wrong, right)) => {
                unit("gate", wrong)?;
                unit("gate", right)?;
                check("gate", right, wrong < right, "above that of wrong outcomes")?;
            }
        }
        let steps = match self.fading {
            Some(Fading::Steps(steps)) => steps,
            _ => 1,
        };
        check("steps", steps as f64, steps > 0, "1 or more")
    }
}
