//! # HybridGate
//!
//! For each prompt, imitation of a demonstration where the policy fails and reinforcement where it succeeds.
//!
//! Source: HPT in "Towards a Unified View of Large Language Model Post-Training", arXiv 2509.04419; SRFT's weights as in its released code.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check};

/// What a prompt is trained by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Branch {
    /// `-mean_t log pi` of the demonstration; the sampled responses are left out.
    Imitation,
    /// The policy objective of the sampled responses; the demonstration is left out, of the group's mean too.
    Reinforcement,
}

/// Reinforcement where the share of successes is above a threshold, strictly; else imitation.
///
/// `threshold` is 0 for strong models (one success is enough) and 2/8 for weaker ones, 0 to below 1. The two losses have divisors of their
/// own: token means for imitation ([`Unified::sft`](crate::Unified::sft)), sums over a maximal length for reinforcement: the released
/// code's is [`PolicyLoss::Ratio`](crate::PolicyLoss) with [`Aggregation::MaxLength`](crate::Aggregation) and
/// [`Grpo::dr`](crate::Grpo::dr)'s advantages.
///
/// ```
/// use regimen_rl_rewards::{Branch, HybridGate};
///
/// let gate = HybridGate::new(0.25)?;
/// assert_eq!(gate.branch(2, 8)?, Branch::Imitation);
/// assert_eq!(gate.branch(3, 8)?, Branch::Reinforcement);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("HPT", "switch_gate"))]
pub struct HybridGate {
    threshold: f64,
}
checked_serde!(HybridGate);

impl HybridGate {
    /// With a threshold.
    ///
    /// # Errors
    /// If it is not within 0 and below 1.
    pub fn new(threshold: f64) -> Result<Self> {
        Self { threshold }.checked()
    }

    /// The branch of a prompt with so many successes among so many responses.
    ///
    /// # Errors
    /// If there is no response, or there are more successes than responses.
    pub fn branch(&self, successes: usize, responses: usize) -> Result<Branch> {
        check("responses", responses as f64, responses > 0, "1 or more")?;
        let good = successes <= responses;
        check("successes", successes as f64, good, "up to the responses")?;
        if successes as f64 / responses as f64 > self.threshold {
            Ok(Branch::Reinforcement)
        } else {
            Ok(Branch::Imitation)
        }
    }

    /// SRFT's weights of imitation and of reinforcement, `0.5 exp(-H)` and `0.1 exp(H)`, from the mean entropy of tokens.
    ///
    /// # Errors
    /// If the entropy is below 0, or above 700, whose exponent is no number.
    pub fn srft_weights(entropy: f64) -> Result<(f64, f64)> {
        check(
            "entropy",
            entropy,
            (0.0..=700.0).contains(&entropy),
            "0 to 700",
        )?;
        Ok((0.5 * (-entropy).exp(), 0.1 * entropy.exp()))
    }

    /// The advantage of the sum objective `E r - mu KL(pi_beta || pi)`: `r + mu pi_beta / pi` of a response that `pi` drew.
    ///
    /// # Errors
    /// If a value is not finite, `mu` is below 0, or the ratio of probabilities is too large.
    pub fn joint_advantage(reward: f64, mu: f64, demonstrator: f64, policy: f64) -> Result<f64> {
        check("mu", mu, mu >= 0.0, "0 or more")?;
        check("reward", reward, true, "finite")?;
        check(
            "demonstrator",
            demonstrator,
            demonstrator <= 0.0,
            "a log-probability",
        )?;
        check("policy", policy, policy <= 0.0, "a log-probability")?;
        let advantage = reward + mu * (demonstrator - policy).exp();
        check("policy", advantage, true, "of a finite ratio")?;
        Ok(advantage)
    }
}

impl Checked for HybridGate {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let threshold = self.threshold;
        check(
            "threshold",
            threshold,
            (0.0..1.0).contains(&threshold),
            "0 to below 1",
        )
    }
}
