//! The objective: parts that compose.

use burn::tensor::{Bool, Tensor};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::aggregation::{Aggregation, Denominator, Totals};
use super::batch::TokenBatch;
use super::kl::{KlEstimator, KlTerm};
use super::metrics::Metrics;
use super::policy_loss::{Losses, Parts, PolicyLoss};
use super::ratio::Level;
use super::tensors::{advantages_like, check_shape, constant, number, wide};
use crate::advantage::Advantages;
use crate::error::{Result, RlRewardsError, check};

/// `aggregate(weight policy_loss + beta kl - entropy H)`, to be minimised.
///
/// | setting | policy loss | ratio | aggregation | denominator |
/// |---|---|---|---|---|
/// | [`reinforce`](Self::reinforce) | `-A lp` | | sequences, token sums | step |
/// | [`gpg`](Self::gpg) | `-A lp` | | tokens | step |
/// | [`ppo`](Self::ppo) | clip 0.2, 0.2 | token | tokens | step |
/// | [`grpo`](Self::grpo) | clip 0.2, 0.2 | token | sequences, token means | step |
/// | [`bnpo`](Self::bnpo) | clip 0.2, 0.2 | token | tokens | micro-batch |
/// | [`dr_grpo`](Self::dr_grpo) | clip 0.2, 0.2 | token | sequences, over a maximal length | step |
/// | [`dapo`](Self::dapo) | clip 0.2, 0.28 | token | tokens | step |
/// | [`rloo`](Self::rloo) | clip 0.2, 0.2 | product over the sequence | sequences, token means | step |
/// | [`gspo`](Self::gspo) | clip 3e-4, 4e-4 | geometric mean over the sequence | sequences, token means | step |
/// | [`gspo_token`](Self::gspo_token) | the same | the same, with gradients of tokens | sequences, token means | step |
/// | [`luspo`](Self::luspo) | clip 0.2, 0.2 | geometric mean over the sequence | sequences, token sums | step |
/// | [`cispo`](Self::cispo) | weight up to 5 | token | tokens | step |
/// | [`sapo`](Self::sapo) | soft gate 1.0, 1.05 | token | sequences, token means | step |
/// | [`gmpo`](Self::gmpo) | geometric mean, 0.4, 0.4 | token | sequences, token means | step |
/// | [`clip_cov`](Self::clip_cov) | clip 0.2, 0.2 with selected tokens | token | tokens | step |
/// | [`kl_cov`](Self::kl_cov) | ratio, selected tokens penalised by 1 | token | tokens | step |
///
/// With a denominator of the step, losses of micro-batches sum to the loss of the whole; padding and the order of sequences change
/// nothing. Losses come out in f32 for log-probabilities of half precision, else in their type. Nothing is read from the device.
///
/// ```
/// use burn::tensor::{Bool, Device, Tensor};
/// use regimen_rl_rewards::{Advantages, Objective, TokenBatch};
///
/// let device = Device::flex().autodiff();
/// let log_probs = Tensor::<2>::from_data([[-1.0, f32::NAN, f32::NAN], [-1.0, -1.0, -1.0]], &device);
/// let mask = Tensor::<2, Bool>::from_data([[true, false, false], [true, true, true]], &device);
/// let batch = TokenBatch::new(mask)?;
/// let advantages = Advantages::of_responses(vec![1.0, -1.0])?;
/// let (loss, metrics) = Objective::dapo().loss(log_probs, &batch, &advantages)?;
/// assert_eq!(loss.into_scalar::<f32>(), 0.5); // (-1 + 3) / 4 tokens
/// assert_eq!(metrics.read()?.ratio, 1.0);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Objective {
    pub(super) policy: PolicyLoss,
    pub(super) level: Level,
    pub(super) aggregation: Aggregation,
    pub(super) denominator: Denominator,
    #[serde(default)]
    pub(super) kl: Option<KlTerm>,
    #[serde(default)]
    pub(super) entropy: f64,
}
checked_serde!(Objective);

impl Objective {
    /// Of these parts, over the denominator of the step, without KL and entropy.
    ///
    /// # Errors
    /// If a number of the parts is out of its range.
    pub fn new(policy: PolicyLoss, level: Level, aggregation: Aggregation) -> Result<Self> {
        Self::of(policy, level, aggregation).checked()
    }

    pub(super) const fn of(policy: PolicyLoss, level: Level, aggregation: Aggregation) -> Self {
        Self {
            policy,
            level,
            aggregation,
            denominator: Denominator::Step,
            kl: None,
            entropy: 0.0,
        }
    }

    /// Another loss of tokens.
    ///
    /// # Errors
    /// If a number in it is out of its range.
    pub fn with_policy(self, policy: PolicyLoss) -> Result<Self> {
        Self { policy, ..self }.checked()
    }

    /// Another ratio.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Another aggregation.
    ///
    /// # Errors
    /// If a number in it is out of its range.
    pub fn with_aggregation(self, aggregation: Aggregation) -> Result<Self> {
        Self {
            aggregation,
            ..self
        }
        .checked()
    }

    /// Another denominator.
    #[must_use]
    pub fn with_denominator(self, denominator: Denominator) -> Self {
        Self {
            denominator,
            ..self
        }
    }

    /// A KL term; the batch needs reference log-probabilities.
    #[must_use]
    pub fn with_kl(self, kl: KlTerm) -> Self {
        let kl = Some(kl);
        Self { kl, ..self }
    }

    /// A bonus for entropy, 0 or more; the batch needs entropies. It is aggregated as the policy loss is.
    ///
    /// # Errors
    /// If it is not finite or below 0.
    pub fn with_entropy(self, entropy: f64) -> Result<Self> {
        Self { entropy, ..self }.checked()
    }

    /// The loss of tokens.
    #[must_use]
    pub fn policy(&self) -> PolicyLoss {
        self.policy
    }

    /// The loss `[1]` of log-probabilities `[rows, tokens]` of the sampled tokens, and what was seen on the way.
    ///
    /// # Errors
    /// If shapes differ, or the batch lacks what the objective needs: `reference` for a KL term, `entropy` for a bonus.
    pub fn loss(
        &self,
        log_probs: Tensor<2>,
        batch: &TokenBatch,
        advantages: &Advantages,
    ) -> Result<(Tensor<1>, Metrics)> {
        let advantages = advantages_like(advantages, &wide(log_probs.clone().inner()))?;
        self.loss_of(log_probs, batch, advantages)
    }

    /// [`loss`](Self::loss) with advantages that are on the device: `[rows, 1]` or `[rows, tokens]`. No gradient flows through them.
    ///
    /// # Errors
    /// As [`loss`](Self::loss).
    pub fn loss_of(
        &self,
        log_probs: Tensor<2>,
        batch: &TokenBatch,
        advantages: Tensor<2>,
    ) -> Result<(Tensor<1>, Metrics)> {
        let [rows, tokens] = batch.dims();
        check_shape("log_probs", log_probs.dims(), [rows, tokens])?;
        let width = if advantages.dims()[1] == 1 { 1 } else { tokens };
        check_shape("advantages", advantages.dims(), [rows, width])?;
        let log_probs = wide(log_probs);
        let dtype = log_probs.dtype();
        let log_probs = batch.clean(log_probs, dtype);
        let mask = batch.ones(dtype);
        let advantages = constant(advantages, &log_probs);
        let advantages = if width == 1 {
            advantages
        } else {
            batch.clean(advantages, dtype)
        };
        let old = match &batch.old {
            Some(old) => batch.clean(old.clone(), dtype),
            None => log_probs.clone().inner(),
        };
        let differences = log_probs.clone() - old;
        let ratio = self.level.log_ratio(&log_probs, &differences, &mask).exp();
        let parts = Parts {
            log_probs: &log_probs,
            differences: &differences,
            ratio: &ratio,
            advantages: &advantages,
            mask: &mask,
            batch,
        };
        let Losses {
            losses,
            above,
            below,
        } = self.policy.of(&parts);
        let losses = match &batch.weights {
            Some(weights) => losses * batch.clean(weights.clone(), dtype),
            None => losses,
        };
        let totals = self.totals(batch);
        let policy = self.aggregation.of(losses, &mask, totals);
        let mut loss = policy.clone();
        let sum = |values: Tensor<2>| (values.inner() * mask.clone()).sum();
        let none = || Tensor::<1>::zeros([1], (&mask.device(), dtype));
        let mut reference_kl = none();
        if let Some(kl) = self.kl {
            let reference = batch
                .reference
                .clone()
                .ok_or_else(|| missing("reference"))?;
            let values = kl.values(&log_probs, &batch.clean(reference, dtype), &ratio);
            reference_kl = sum(values.clone());
            loss = loss + self.aggregation.of(values, &mask, totals) * kl.beta();
        }
        let entropy = batch
            .entropy
            .clone()
            .map(|entropy| batch.clean(wide(entropy), dtype));
        if self.entropy > 0.0 {
            let entropy = entropy.clone().ok_or_else(|| missing("entropy"))?;
            loss = loss - self.aggregation.of(entropy, &mask, totals) * self.entropy;
        }
        let held = |at: Option<Tensor<2, Bool>>| at.map_or_else(none, |at| sum(number(at, dtype)));
        let (ratio, differences) = (ratio.inner(), differences.inner());
        let zeros = differences.zeros_like();
        let padding = batch.mask.clone().bool_not();
        let sums = [
            loss.clone().inner(),
            policy.inner(),
            mask.clone().sum(),
            held(above),
            held(below),
            sum(ratio.clone()),
            sum(differences.clone().neg()),
            sum(KlEstimator::K3.values(zeros, differences)),
            reference_kl,
            entropy.map_or_else(none, sum),
        ];
        let most = ratio.mask_fill(padding, f64::NEG_INFINITY).max();
        Ok((loss, Metrics::new(sums, most)))
    }

    /// What the losses of a micro-batch are divided by, where totals are set.
    fn totals(&self, batch: &TokenBatch) -> Option<Totals> {
        match self.denominator {
            Denominator::Step => batch.totals,
            Denominator::MicroBatch => None,
        }
    }
}

fn missing(part: &'static str) -> RlRewardsError {
    RlRewardsError::OutOfRange {
        field: part,
        value: "missing".into(),
        allowed: "given with the batch: see the table of `TokenBatch`",
    }
}

impl Checked for Objective {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        self.policy.check()?;
        self.aggregation.check()?;
        if let Some(kl) = &self.kl {
            kl.check()?;
        }
        check("entropy", self.entropy, self.entropy >= 0.0, "0 or more")
    }
}
