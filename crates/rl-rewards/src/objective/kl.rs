//! Estimators of the divergence from a reference policy.

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check};

/// Beyond this, a difference of log-probabilities is cut before its exponent is taken.
const LIMIT: f64 = 20.0;

/// What a token says of `KL(pi || ref)`, with `d = lp - lp_ref` at a token that `pi` drew.
///
/// | estimator | value | as a loss, its expected gradient is that of |
/// |---|---|---|
/// | `K1` | `d` | nothing: 0 |
/// | `Absolute` | `abs(d)` | |
/// | `K2` | `d^2 / 2` | `KL(pi || ref)` |
/// | `K3` | `exp(-d) - 1 + d` | `KL(ref || pi)` |
///
/// The values of `K1` and `K3` are unbiased, that of `K2` is not. A gradient that is right for the value: [`KlGradient::K2`] on tokens
/// of the policy itself, [`KlTerm::with_importance`] on those of an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[doc(alias("kl_penalty", "low_var_kl", "mse"))]
pub enum KlEstimator {
    /// `d`: unbiased, of high variance, and below 0 at half of the tokens.
    K1,
    /// `abs(d)`.
    Absolute,
    /// `d^2 / 2`.
    K2,
    /// `exp(-d) - 1 + d`: unbiased, never below 0. `d` is cut at 20 either way.
    K3,
}

impl KlEstimator {
    /// The value at each token, differentiable: log-probabilities of the policy and of the reference, of one type.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use regimen_rl_rewards::KlEstimator;
    ///
    /// let [policy, reference] = [-0.5, -1.0].map(|lp| Tensor::<1>::from_data([lp], &Device::flex()));
    /// let k3 = KlEstimator::K3.values(policy, reference).into_scalar::<f32>();
    /// assert!((k3 - 0.1065306597).abs() < 1e-6);
    /// ```
    #[must_use]
    pub fn values<const D: usize>(self, policy: Tensor<D>, reference: Tensor<D>) -> Tensor<D> {
        let d = policy - reference;
        match self {
            Self::K1 => d,
            Self::Absolute => d.abs(),
            Self::K2 => d.square() / 2.0,
            Self::K3 => {
                let d = d.clamp(-LIMIT, LIMIT);
                d.clone().neg().exp() - 1.0 + d
            }
        }
    }
}

/// Whose gradient a KL term has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlGradient {
    /// The estimator's own.
    Own,
    /// That of `K2`, whatever the value: verl's suffix `+`. Its expectation over tokens of the policy is the gradient of
    /// `KL(pi || ref)`.
    K2,
}

/// `beta` times an estimator, added to each token's loss.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `beta` | required; 0.04 in GRPO, 0 in DAPO | 0 or more |
/// | `estimator` | K3 | |
/// | `gradient` | own | |
/// | `importance` | off | |
/// | `limit` | none (verl: 10) | above 0 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct KlTerm {
    beta: f64,
    estimator: KlEstimator,
    gradient: KlGradient,
    importance: bool,
    #[serde(default)]
    limit: Option<f64>,
}
checked_serde!(KlTerm);

impl KlTerm {
    /// K3 with a weight, as in GRPO.
    ///
    /// # Errors
    /// If `beta` is not finite or below 0.
    pub fn new(beta: f64) -> Result<Self> {
        Self {
            beta,
            estimator: KlEstimator::K3,
            gradient: KlGradient::Own,
            importance: false,
            limit: None,
        }
        .checked()
    }

    /// Another estimator.
    #[must_use]
    pub fn with_estimator(self, estimator: KlEstimator) -> Self {
        Self { estimator, ..self }
    }

    /// Another gradient than the estimator's own.
    #[must_use]
    pub fn with_gradient(self, gradient: KlGradient) -> Self {
        Self { gradient, ..self }
    }

    /// Times the ratio of the policy to the old one, through which the gradient flows: unbiased, value and gradient, for tokens of the old
    /// policy (TRL's `use_bias_correction_kl`).
    #[must_use]
    pub fn with_importance(self) -> Self {
        let importance = true;
        Self { importance, ..self }
    }

    /// Cuts each token's value at `limit` either way; no gradient beyond.
    ///
    /// # Errors
    /// If `limit` is not finite or not above 0.
    pub fn with_limit(self, limit: f64) -> Result<Self> {
        let limit = Some(limit);
        Self { limit, ..self }.checked()
    }

    /// The weight.
    #[must_use]
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// The term's values without `beta`.
    pub(super) fn values(
        &self,
        policy: &Tensor<2>,
        reference: &Tensor<2>,
        ratio: &Tensor<2>,
    ) -> Tensor<2> {
        let of = |estimator: KlEstimator| estimator.values(policy.clone(), reference.clone());
        let values = of(self.estimator);
        let values = match self.limit {
            Some(limit) => values.clamp(-limit, limit),
            None => values,
        };
        let values = match self.gradient {
            KlGradient::Own => values,
            KlGradient::K2 => {
                let k2 = of(KlEstimator::K2);
                k2.clone() - k2.detach() + values.detach()
            }
        };
        if self.importance {
            values * ratio.clone()
        } else {
            values
        }
    }
}

impl Checked for KlTerm {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("beta", self.beta, self.beta >= 0.0, "0 or more")?;
        let limit = self.limit.unwrap_or(1.0);
        check("limit", limit, limit > 0.0, "above 0")
    }
}
