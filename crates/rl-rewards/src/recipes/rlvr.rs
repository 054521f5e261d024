//! # Rlvr
//!
//! Reinforcement learning with verifiable rewards: a constant where a verifier accepts, another score for a response without an end, and the
//! divergence from a reference policy, in the forms of PPO and of GRPO.
//!
//! Source: "Tülu 3: Pushing Frontiers in Open Language Model Post-Training", arXiv 2411.15124, section 6; wiring and constants as in its
//! released code, GRPO as for Tülu 3.1

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::advantage::{
    Advantage, Advantages, Gae, Groups, Grpo, Returns, TokenMask, token_rewards,
};
use crate::error::{Result, RlRewardsError, check};
use crate::objective::{KlTerm, Metrics, Objective, TokenBatch, ValueLoss};
use crate::policy::{Completion, End, Rollouts, ScorePolicy, Sequences};

/// Which algorithm the reward is wired into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RlvrForm {
    /// A value function; the divergence, k1, is a part of each token's reward.
    Ppo,
    /// Groups of responses; the divergence, k3, is a part of the loss.
    Grpo,
}

/// `max E[v(x, y) - beta KL(pi || ref)]`, with `v = alpha` where a verifier accepts, else 0.
///
/// | parameter | [`ppo`](Self::ppo) | [`grpo`](Self::grpo) | range |
/// |---|---|---|---|
/// | `alpha` | 10 | 10 | finite |
/// | `unfinished` | -10 | 0 | finite, or none: a response without an end is scored as any other |
/// | `beta` | 0.05 | 0.01 | 0 or more |
/// | `lambda` | 0.95 | | 0 to 1 |
///
/// One step of a training loop, in either form:
///
/// | | PPO | GRPO |
/// |---|---|---|
/// | sampled | [`SamplePolicy::sample`](crate::policy::SamplePolicy::sample), 1 a prompt | several a prompt |
/// | scores | [`rewards`](Self::rewards) | [`rewards`](Self::rewards) |
/// | advantages | [`returns`](Self::returns) | [`advantages`](Self::advantages) |
/// | loss | [`loss`](Self::loss) and .1 [`ValueLoss`] of the returns | [`loss`](Self::loss) |
///
/// The score of a response that was cut off takes the place of the verifier's: one that is right and does not end loses. With GRPO `alpha`
/// changes nothing but the place of `epsilon`, as groups are divided by their deviation; with PPO it weighs the verifier against `beta`.
/// Text is scored by [`Reward`](crate::reward::Reward), whose
/// [`with_unfinished`](crate::reward::Reward::with_unfinished) is the same rule.
///
/// ```
/// use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts};
/// use regimen_rl_rewards::recipes::Rlvr;
///
/// let mut right = Completion::new(End::EndToken);
/// right.sampled(4, -0.3)?;
/// right.sampled(0, -0.1)?;
/// let open = right.clone().with_end(End::Truncated);
/// let rollouts = [right, open].map(|completion| Rollout { prompt: 0, completion });
/// let rollouts = Rollouts::new(vec![vec![7]], rollouts.into())?;
/// let accepts = |_: usize, one: &Completion| f64::from(u8::from(one.tokens()[0] == 4));
/// assert_eq!(Rlvr::ppo().rewards(&rollouts, accepts)?, [10.0, -10.0]);
/// assert_eq!(Rlvr::grpo().rewards(&rollouts, accepts)?, [10.0, 0.0]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("verifiable rewards", "Tülu 3", "non_stop_penalty"))]
pub struct Rlvr {
    form: RlvrForm,
    alpha: f64,
    unfinished: Option<f64>,
    beta: f64,
    lambda: f64,
}
checked_serde!(Rlvr);

impl Rlvr {
    /// The form of the 8B model of Tülu 3.
    #[must_use]
    pub fn ppo() -> Self {
        Self {
            form: RlvrForm::Ppo,
            alpha: 10.0,
            unfinished: Some(-10.0),
            beta: 0.05,
            lambda: 0.95,
        }
    }

    /// The form of Tülu 3.1.
    #[must_use]
    pub fn grpo() -> Self {
        Self {
            form: RlvrForm::Grpo,
            unfinished: Some(0.0),
            beta: 0.01,
            ..Self::ppo()
        }
    }

    /// The score of what the verifier accepts.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn with_alpha(self, alpha: f64) -> Result<Self> {
        Self { alpha, ..self }.checked()
    }

    /// The score of a response that was cut off, in place of the verifier's; none to leave it that one, as where all responses have one length
    /// and no end token.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn with_unfinished(self, unfinished: Option<f64>) -> Result<Self> {
        Self { unfinished, ..self }.checked()
    }

    /// The weight of the divergence from the reference.
    ///
    /// # Errors
    /// If it is not finite or below 0.
    pub fn with_beta(self, beta: f64) -> Result<Self> {
        Self { beta, ..self }.checked()
    }

    /// The weight of longer returns in PPO's form.
    ///
    /// # Errors
    /// If it is not within 0 and 1.
    pub fn with_lambda(self, lambda: f64) -> Result<Self> {
        Self { lambda, ..self }.checked()
    }

    /// The form.
    #[must_use]
    pub fn form(&self) -> RlvrForm {
        self.form
    }

    /// The score of each response. `verifier` is given the place of the prompt and the completion, and answers from 0 (wrong) to 1 (right);
    /// it is not asked about a response that was cut off, where these have a score of their own.
    ///
    /// # Errors
    /// If a score is not finite.
    pub fn rewards(
        &self,
        rollouts: &Rollouts,
        mut verifier: impl FnMut(usize, &Completion) -> f64,
    ) -> Result<Vec<f64>> {
        let rollouts = rollouts.rollouts().iter();
        let scores = rollouts.map(|one| {
            let score = match (self.unfinished, one.completion.end()) {
                (Some(unfinished), End::Truncated) => unfinished,
                _ => self.alpha * verifier(one.prompt, &one.completion),
            };
            check("score", score, true, "finite").map(|()| score)
        });
        scores.collect()
    }

    /// Advantages of groups in GRPO's form: `(r - mean) / (std + 1e-8)`.
    ///
    /// # Errors
    /// If there is not one finite reward for each response.
    pub fn advantages(&self, rollouts: &Rollouts, rewards: Vec<f64>) -> Result<Advantages> {
        let groups = Groups::of_rollouts(rollouts, rewards)?;
        Grpo::default().with_epsilon(1e-8)?.advantages(&groups)
    }

    /// Advantages and returns of tokens in PPO's form: the reward of a token is `-beta (lp_old - lp_ref)`, that of the last sampled one the
    /// response's score besides; then generalised advantages with a discount of 1, whitened over all tokens of the step, and returns to fit
    /// the value function to.
    ///
    /// Log-probabilities under the policy that sampled and under the reference, and values at each token are `[responses, tokens]`, row by
    /// row; anything may stand at masked places. [`token_mask`](Self::token_mask) makes the mask. The released code adds the score one place
    /// after the last token where the padded row has such a place; here it is always at the last token.
    ///
    /// # Errors
    /// If sizes differ, or a number that counts is not finite.
    pub fn returns(
        &self,
        rewards: &[f64],
        old: &[f64],
        reference: &[f64],
        values: &[f64],
        mask: &TokenMask,
    ) -> Result<Returns> {
        if old.len() != reference.len() {
            return Err(RlRewardsError::OutOfRange {
                field: "reference",
                value: format!("{} values", reference.len()),
                allowed: "as many as `old` has",
            });
        }
        let both = old.iter().zip(reference);
        let penalties: Vec<f64> = both.map(|(old, of)| self.beta * (old - of)).collect();
        let rewards = token_rewards(rewards, Some(&penalties), mask)?;
        let gae = Gae::new(1.0, self.lambda)?;
        gae.advantages(&rewards, values, mask)?.whitened(mask)
    }

    /// Which tokens of the responses were sampled, in rows of the longest response's length: the layout of [`Sequences`].
    ///
    /// # Errors
    /// If no response has a token.
    pub fn token_mask(rollouts: &Rollouts) -> Result<TokenMask> {
        let width = rollouts.iter().map(|(_, one)| one.len()).max().unwrap_or(0);
        let row = |(_, one): (&[u32], &Completion)| {
            let mut row: Vec<bool> = one.mask().collect();
            row.resize(width, false);
            row
        };
        TokenMask::new(rollouts.iter().flat_map(row).collect(), width)
    }

    /// PPO's clip of .2, the mean over tokens; in GRPO's form with `beta` k3.
    ///
    /// # Errors
    /// None: the settings were checked.
    pub fn objective(&self) -> Result<Objective> {
        Ok(match self.form {
            RlvrForm::Ppo => Objective::ppo(),
            RlvrForm::Grpo => Objective::ppo().with_kl(KlTerm::new(self.beta)?),
        })
    }

    /// The value function's loss in PPO's form, with its clip of .2; the release gives it a weight of .1.
    #[must_use]
    pub fn value_loss(&self) -> ValueLoss {
        ValueLoss::default()
    }

    /// The loss of a policy on what was sampled, and what was seen on the way.
    ///
    /// `old` are the log-probabilities under the policy that sampled, for a second update by the same responses; without them it is this
    /// policy. `reference` are those under the reference, which PPO's form does not look at. Both are `[sequences, T]`, as
    /// [`ScorePolicy::log_probs`] gives them.
    ///
    /// # Errors
    /// If a shape differs, GRPO's form has no reference, and the errors of the policy.
    pub fn loss<P: ScorePolicy + ?Sized>(
        &self,
        policy: &P,
        sequences: &Sequences,
        (old, reference): (Option<Tensor<2>>, Option<Tensor<2>>),
        advantages: &Advantages,
    ) -> Result<(Tensor<1>, Metrics)> {
        let mut batch = TokenBatch::of_sequences(sequences)?;
        if let Some(old) = old {
            batch = batch.with_old(old)?;
        }
        if let Some(reference) = reference {
            batch = batch.with_reference(reference)?;
        }
        let log_probs = policy.log_probs(sequences)?;
        self.objective()?.loss(log_probs, &batch, advantages)
    }
}

impl Checked for Rlvr {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("alpha", self.alpha, true, "finite")?;
        check("unfinished", self.unfinished.unwrap_or(0.0), true, "finite")?;
        check("beta", self.beta, self.beta >= 0.0, "0 or more")?;
        let unit = (0.0..=1.0).contains(&self.lambda);
        check("lambda", self.lambda, unit, "0 to 1")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::policy::Rollout;

    /// Responses of three tokens to prompts, 4 to each.
    fn rollouts(prompts: usize) -> Rollouts {
        let one = |place: usize| {
            let mut completion = Completion::new(End::EndToken);
            for log_prob in [-0.1, -0.5, -1.0] {
                completion.sampled(place as u32 % 3, log_prob).unwrap();
            }
            Rollout {
                prompt: place / 4,
                completion,
            }
        };
        let all = (0..4 * prompts).map(one).collect();
        Rollouts::new(vec![vec![1]; prompts], all).unwrap()
    }

    fn near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-7, "{found:?} {expected:?}");
        }
    }

    /// The check values of the specification.
    #[test]
    fn the_wiring_of_ppo() {
        let mask = TokenMask::of_lengths(&[3], 3).unwrap();
        let (old, reference) = ([-0.1, -0.5, -1.0], [-0.2, -0.4, -1.3]);
        let penalties: Vec<f64> = old
            .iter()
            .zip(&reference)
            .map(|(a, b)| 0.05 * (a - b))
            .collect();
        let rewards = token_rewards(&[10.0], Some(&penalties), &mask).unwrap();
        near(&rewards, &[-0.005, 0.005, 9.985]);
        let values = [4.0, 5.0, 6.0];
        let plain = Gae::new(1.0, 0.95).unwrap();
        let plain = plain.advantages(&rewards, &values, &mask).unwrap();
        near(plain.advantages.values(), &[5.5462125, 4.79075, 3.985]);
        let found = Rlvr::ppo().returns(&[10.0], &old, &reference, &values, &mask);
        let found = found.unwrap();
        near(&found.returns, &[9.5462125, 9.79075, 9.985]);
        near(
            found.advantages.values(),
            &[0.98909213, 0.02146998, -1.01056211],
        );
    }

    /// What stands at masked places changes nothing, and a tool's tokens are left out.
    #[test]
    fn masked_places_change_nothing() {
        let mut all = rollouts(1).rollouts()[..1].to_vec();
        all[0].completion.observed(9);
        let mut longer = rollouts(1).rollouts()[1].clone();
        longer.completion.sampled(2, -0.2).unwrap();
        longer.completion.sampled(2, -0.2).unwrap();
        all.push(longer);
        let rollouts = Rollouts::new(vec![vec![1]], all).unwrap();
        let mask = Rlvr::token_mask(&rollouts).unwrap();
        assert_eq!(mask.lengths(), [3, 5]);
        let with = |fill: f64| {
            let row = [-0.1, -0.5, -1.0, fill, fill, -0.1, -0.2, -0.3, -0.2, -0.1];
            let found = Rlvr::ppo().returns(&[10.0, 0.0], &row, &[-0.3; 10], &row, &mask);
            found.unwrap()
        };
        assert_eq!(with(0.0), with(7.0));
        assert!(
            Rlvr::ppo()
                .returns(&[1.0], &[0.0], &[], &[0.0], &mask)
                .is_err()
        );
    }

    /// With groups divided by their deviation `alpha` is a choice of units; with a value function it is a weight against `beta`.
    #[test]
    fn alpha_matters_to_ppo_alone() {
        let rollouts = rollouts(2);
        let of = |rlvr: Rlvr, alpha| {
            let rlvr = rlvr.with_alpha(alpha).unwrap();
            let rewards = rlvr.rewards(&rollouts, |_, one| f64::from(one.tokens()[0] % 2));
            (rlvr, rewards.unwrap())
        };
        let groups = |alpha| {
            let (rlvr, rewards) = of(Rlvr::grpo(), alpha);
            rlvr.advantages(&rollouts, rewards).unwrap()
        };
        near(groups(1.0).values(), groups(10.0).values());
        let mask = Rlvr::token_mask(&rollouts).unwrap();
        let ppo = |alpha| {
            let (rlvr, rewards) = of(Rlvr::ppo().with_beta(1.0).unwrap(), alpha);
            let old: Vec<f64> = (0..24).map(|at| -0.1 * f64::from(at % 7)).collect();
            let found = rlvr.returns(&rewards, &old, &[-0.5; 24], &[0.0; 24], &mask);
            found.unwrap().advantages.values()[0]
        };
        assert!((ppo(1.0) - ppo(10.0)).abs() > 0.01);
    }

    struct Uniform;

    impl ScorePolicy for Uniform {
        fn log_probs(&self, sequences: &Sequences) -> Result<Tensor<2>> {
            Ok(sequences.mask() * -2.0)
        }
    }

    /// `beta (exp(-d) - 1 + d)` at every token, in GRPO's form alone.
    #[test]
    fn the_divergence_is_in_the_loss_of_grpo_alone() {
        let rollouts = rollouts(1);
        let sequences = Sequences::new(&rollouts, 0, &Device::flex()).unwrap();
        let reference = sequences.mask() * -2.1;
        let advantages = Advantages::of_responses(vec![0.0; 4]).unwrap();
        let loss = |rlvr: Rlvr, reference| {
            let found = rlvr.loss(&Uniform, &sequences, (None, reference), &advantages);
            found.map(|(loss, _)| loss.into_scalar::<f32>())
        };
        let found = loss(Rlvr::grpo(), Some(reference.clone())).unwrap();
        assert!((found - 0.01 * 0.004_837_42).abs() < 1e-7, "{found}");
        assert_eq!(loss(Rlvr::ppo(), Some(reference)).unwrap(), 0.0);
        assert!(loss(Rlvr::grpo(), None).is_err());
        assert_eq!(loss(Rlvr::ppo(), None).unwrap(), 0.0);
    }
}
