//! # Unified
//!
//! One gradient estimator of four parts, of which imitation and the policy objectives are settings.
//!
//! Source: the unified policy gradient estimator in "Towards a Unified View of Large Language Model Post-Training", arXiv 2509.04419.

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::aggregation::Aggregation;
use super::batch::TokenBatch;
use super::clip::Clip;
use super::ratio::Level;
use super::tensors::{advantages_like, check_shape, wide};
use crate::advantage::Advantages;
use crate::error::{Result, RlRewardsError, check};

/// The density in the denominator, `pi_ref`; no reference of a KL term.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Density {
    /// The policy itself: weight 1.
    Policy,
    /// The policy before the step: the ratio of each token.
    Old,
    /// The policy before the step over whole sequences: the geometric mean of their ratios.
    OldSequence,
    /// 1: a weight of `pi`, which takes the gradient from unlikely tokens.
    One,
    /// 1, with the policy shaped by `f(p) = p / (p + g)`: a weight of `g p / (p + g)^2`. LUFFY has `g` = 0.1.
    Shaped(f64),
}

/// The mask that keeps a step in bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stabilisation {
    /// 1.
    None,
    /// 0 where the advantage pushes the weight further out of the range, else 1.
    Clip(Clip),
    /// 1, and the weight itself is cut at a number.
    Cap(f64),
}

/// `grad = aggregate(1_stable (pi / pi_ref) A grad log pi)`, to be ascended; the loss descends.
///
/// | setting | `pi_ref` | `A` | `1_stable` | weight of `grad log pi` |
/// |---|---|---|---|---|
/// | [`sft`](Self::sft) | policy | 1 | 1 | 1 |
/// | [`reinforce`](Self::reinforce), RLOO | policy | reward, leave-one-out | 1 | `A` |
/// | [`ppo`](Self::ppo), [`grpo`](Self::grpo), [`dr_grpo`](Self::dr_grpo) | old | GAE, of groups | clip | `rho A` |
/// | [`dapo`](Self::dapo) | old | of groups | clip, higher above | `rho A` |
/// | [`cispo`](Self::cispo) | old | of groups | on the weight | `min(rho, cap) A` |
/// | [`gspo`](Self::gspo) | old, of sequences | of groups | clip of sequences | `exp(mean log rho) A` |
/// | [`luffy`](Self::luffy) | 1, shaped | of both groups | 1 | `f'(pi) pi A` |
/// | [`srft`](Self::srft) | 1 | of both groups | 1 | `pi A` |
///
/// Each has the gradient of the [`Objective`](super::Objective) of its name; the value of the loss is that of a surrogate, and is not
/// comparable.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("UPGE"))]
pub struct Unified {
    density: Density,
    stabilisation: Stabilisation,
    aggregation: Aggregation,
}
checked_serde!(Unified);

impl Unified {
    /// Of these parts.
    ///
    /// # Errors
    /// If a number of the parts is out of its range.
    pub fn new(
        density: Density,
        stabilisation: Stabilisation,
        aggregation: Aggregation,
    ) -> Result<Self> {
        Self::of(density, stabilisation, aggregation).checked()
    }

    const fn of(density: Density, stabilisation: Stabilisation, aggregation: Aggregation) -> Self {
        Self {
            density,
            stabilisation,
            aggregation,
        }
    }

    /// Imitation: advantages of 1 on demonstrations, the mean over tokens.
    #[must_use]
    pub const fn sft() -> Self {
        Self::of(Density::Policy, Stabilisation::None, Aggregation::TokenMean)
    }

    /// REINFORCE, RLOO with its advantages.
    #[must_use]
    pub const fn reinforce() -> Self {
        Self::of(
            Density::Policy,
            Stabilisation::None,
            Aggregation::SequenceMeanTokenSum,
        )
    }

    /// PPO.
    #[must_use]
    pub const fn ppo() -> Self {
        Self::of(
            Density::Old,
            Stabilisation::Clip(Clip::PPO),
            Aggregation::TokenMean,
        )
    }

    /// GRPO.
    #[must_use]
    pub const fn grpo() -> Self {
        Self::of(
            Density::Old,
            Stabilisation::Clip(Clip::PPO),
            Aggregation::SequenceMeanTokenMean,
        )
    }

    /// Dr. GRPO.
    ///
    /// # Errors
    /// If `max_length` is 0.
    pub fn dr_grpo(max_length: usize) -> Result<Self> {
        let aggregation = Aggregation::MaxLength(max_length);
        Self::new(Density::Old, Stabilisation::Clip(Clip::PPO), aggregation)
    }

    /// DAPO.
    #[must_use]
    pub const fn dapo() -> Self {
        Self::of(
            Density::Old,
            Stabilisation::Clip(Clip::HIGHER),
            Aggregation::TokenMean,
        )
    }

    /// CISPO with a cap of 5.
    #[must_use]
    pub const fn cispo() -> Self {
        Self::of(
            Density::Old,
            Stabilisation::Cap(5.0),
            Aggregation::TokenMean,
        )
    }

    /// GSPO.
    #[must_use]
    pub const fn gspo() -> Self {
        let stabilisation = Stabilisation::Clip(Clip::GSPO);
        Self::of(
            Density::OldSequence,
            stabilisation,
            Aggregation::SequenceMeanTokenMean,
        )
    }

    /// LUFFY's part of demonstrations.
    #[must_use]
    pub const fn luffy() -> Self {
        Self::of(
            Density::Shaped(0.1),
            Stabilisation::None,
            Aggregation::TokenMean,
        )
    }

    /// SRFT's part of demonstrations.
    #[must_use]
    pub const fn srft() -> Self {
        Self::of(Density::One, Stabilisation::None, Aggregation::TokenMean)
    }

    /// The weight of each token's `grad log pi`, `[rows, tokens]`, 0 where the mask is: a constant.
    ///
    /// # Errors
    /// If shapes differ.
    pub fn weights(
        &self,
        log_probs: Tensor<2>,
        batch: &TokenBatch,
        advantages: &Advantages,
    ) -> Result<Tensor<2>> {
        let [rows, tokens] = batch.dims();
        check_shape("log_probs", log_probs.dims(), [rows, tokens])?;
        let log_probs = wide(log_probs.inner());
        let dtype = log_probs.dtype();
        let log_probs = batch.clean(log_probs, dtype);
        let mask = batch.ones(dtype);
        let advantages = advantages_like(advantages, &log_probs)?.expand([rows, tokens]);
        let advantages = batch.clean(advantages, dtype);
        let ratio = |level: Level| {
            let old = match &batch.old {
                Some(old) => batch.clean(old.clone(), dtype),
                None => log_probs.clone(),
            };
            level
                .log_ratio(&log_probs, &(log_probs.clone() - old), &mask)
                .exp()
        };
        let weight = match self.density {
            Density::Policy => mask.ones_like(),
            Density::Old => ratio(Level::Token),
            Density::OldSequence => ratio(Level::Sequence),
            Density::One => log_probs.exp(),
            Density::Shaped(g) => {
                let p = log_probs.exp();
                p.clone() * g / (p + g).square()
            }
        };
        let weight = match self.stabilisation {
            Stabilisation::None => weight,
            Stabilisation::Cap(cap) => weight.clamp_max(cap),
            Stabilisation::Clip(clip) => {
                let good = advantages.clone().greater_elem(0.0);
                let bad = advantages.clone().lower_elem(0.0);
                let above = weight
                    .clone()
                    .greater_elem(1.0 + clip.high())
                    .bool_and(good);
                let below = weight.clone().lower_elem(1.0 - clip.low()).bool_and(bad);
                weight.mask_fill(above.bool_or(below), 0.0)
            }
        };
        Ok(weight * advantages * mask)
    }

    /// A loss `[1]` whose gradient is minus the estimator: `-aggregate(sg(weight) lp)`.
    ///
    /// # Errors
    /// If shapes differ.
    pub fn loss(
        &self,
        log_probs: Tensor<2>,
        batch: &TokenBatch,
        advantages: &Advantages,
    ) -> Result<Tensor<1>> {
        let weights = self.weights(log_probs.clone(), batch, advantages)?;
        let log_probs = wide(log_probs);
        let dtype = log_probs.dtype();
        let losses = batch.clean(log_probs, dtype) * weights.neg();
        Ok(self
            .aggregation
            .of(losses, &batch.ones(dtype), batch.totals))
    }
}

impl Checked for Unified {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        if let Density::Shaped(g) = self.density {
            check("shaped", g, g > 0.0, "above 0")?;
        }
        match self.stabilisation {
            Stabilisation::Cap(cap) => check("cap", cap, cap > 0.0, "above 0")?,
            Stabilisation::Clip(clip) => clip.check()?,
            Stabilisation::None => {}
        }
        self.aggregation.check()
    }
}
