//! # Objective
//!
//! The objectives that have names, as settings of one: REINFORCE, GPG, PPO, GRPO, BNPO, Dr. GRPO, DAPO, RLOO, GSPO, LUSPO, CISPO, SAPO,
//! GMPO, Clip-Cov, KL-Cov, DPPO, VESPO.
//!
//! Source: PPO arXiv 1707.06347, GRPO 2402.03300, Dr. GRPO 2503.20783, DAPO 2503.14476, RLOO 2402.14740, GSPO 2507.18071, CISPO 2506.13585,
//! SAPO 2511.20347, GMPO 2507.20673, Clip-Cov and KL-Cov 2505.22617, GPG 2504.02546, DPPO 2602.04879, VESPO 2602.10693; constants as in TRL 1.16.0 and verl 0.9.1.

use regimen_tensor::checked::Checked;

use super::aggregation::{Aggregation, Denominator};
use super::clip::Clip;
use super::objective::Objective;
use super::policy_loss::PolicyLoss;
use super::ratio::Level;
use super::soft_weights::Divergence;
use crate::error::Result;

const fn clip(clip: Clip) -> PolicyLoss {
    PolicyLoss::Clip {
        clip,
        dual: None,
        most: None,
    }
}

impl Objective {
    /// `-A lp`, the mean over sequences of token sums.
    #[must_use]
    pub const fn reinforce() -> Self {
        Self::of(
            PolicyLoss::Reinforce,
            Level::Token,
            Aggregation::SequenceMeanTokenSum,
        )
    }

    /// `-A lp`, the mean over tokens; with [`Gpg`](crate::Gpg)'s advantages.
    #[must_use]
    pub const fn gpg() -> Self {
        Self::of(PolicyLoss::Reinforce, Level::Token, Aggregation::TokenMean)
    }

    /// PPO's clip, the mean over tokens. verl's default has [`with_dual`](Self::with_dual) of 3 besides.
    #[must_use]
    pub const fn ppo() -> Self {
        Self::of(clip(Clip::PPO), Level::Token, Aggregation::TokenMean)
    }

    /// PPO's clip, the mean over sequences of token means. The paper adds [`KlTerm::new(0.04)`](super::KlTerm::new).
    #[must_use]
    pub const fn grpo() -> Self {
        Self::of(
            clip(Clip::PPO),
            Level::Token,
            Aggregation::SequenceMeanTokenMean,
        )
    }

    /// PPO's clip, the mean over tokens of the micro-batch.
    #[must_use]
    pub const fn bnpo() -> Self {
        Self {
            denominator: Denominator::MicroBatch,
            ..Self::ppo()
        }
    }

    /// PPO's clip, sums over tokens divided by sequences and by a maximal length; with [`Grpo::dr`](crate::Grpo::dr)'s advantages.
    ///
    /// # Errors
    /// If `max_length` is 0.
    pub fn dr_grpo(max_length: usize) -> Result<Self> {
        Self {
            aggregation: Aggregation::MaxLength(max_length),
            ..Self::ppo()
        }
        .checked()
    }

    /// The clip with a higher upper side, the mean over the tokens of the step. [`DynamicSampling`](super::DynamicSampling) fills its
    /// batches.
    #[must_use]
    pub const fn dapo() -> Self {
        Self::of(clip(Clip::HIGHER), Level::Token, Aggregation::TokenMean)
    }

    /// PPO's clip of one ratio a sequence, that of its probability.
    #[must_use]
    pub const fn rloo() -> Self {
        Self::of(
            clip(Clip::PPO),
            Level::SequenceSum,
            Aggregation::SequenceMeanTokenMean,
        )
    }

    /// The clip of the geometric mean of a sequence's ratios, whose range is a thousandth of PPO's.
    #[must_use]
    pub const fn gspo() -> Self {
        Self::of(
            clip(Clip::GSPO),
            Level::Sequence,
            Aggregation::SequenceMeanTokenMean,
        )
    }

    /// [`gspo`](Self::gspo) with a gradient for each token, so that advantages of tokens may differ.
    #[must_use]
    pub const fn gspo_token() -> Self {
        Self::of(
            clip(Clip::GSPO),
            Level::SequenceToken,
            Aggregation::SequenceMeanTokenMean,
        )
    }

    /// The geometric mean of a sequence's ratios, times the sequence's length, with PPO's clip (TRL's `luspo`).
    #[must_use]
    pub const fn luspo() -> Self {
        Self::of(
            clip(Clip::PPO),
            Level::Sequence,
            Aggregation::SequenceMeanTokenSum,
        )
    }

    /// Every token keeps its gradient, with a constant weight of its ratio up to 5 (TRL). verl's form is [`PolicyLoss::Cispo`].
    #[must_use]
    pub const fn cispo() -> Self {
        Self::of(
            PolicyLoss::CispoCap { cap: 5.0 },
            Level::Token,
            Aggregation::TokenMean,
        )
    }

    /// A soft gate in place of the clip.
    #[must_use]
    pub const fn sapo() -> Self {
        let policy = PolicyLoss::Sapo {
            positive: 1.0,
            negative: 1.05,
        };
        Self::of(policy, Level::Token, Aggregation::SequenceMeanTokenMean)
    }

    /// The geometric mean of clipped ratios.
    #[must_use]
    pub const fn gmpo() -> Self {
        let policy = PolicyLoss::Gmpo {
            low: 0.4,
            high: 0.4,
        };
        Self::of(policy, Level::Token, Aggregation::SequenceMeanTokenMean)
    }

    /// PPO's clip, without the tokens that [`ClipCov`](super::ClipCov) selects.
    #[must_use]
    pub const fn clip_cov() -> Self {
        let policy = PolicyLoss::ClipCov { clip: Clip::PPO };
        Self::of(policy, Level::Token, Aggregation::TokenMean)
    }

    /// The ratio, with a penalty for the tokens that [`KlCov`](super::KlCov) selects.
    #[must_use]
    pub const fn kl_cov() -> Self {
        let policy = PolicyLoss::KlCov { coefficient: 1.0 };
        Self::of(policy, Level::Token, Aggregation::TokenMean)
    }

    /// The ratio as a constant weight, up to 20, within a divergence of the sampled token's probability: up to `high` upwards and up to
    /// `low` downwards.
    ///
    /// # Errors
    /// If a bound is not finite or below 0.
    pub fn dppo(divergence: Divergence, low: f64, high: f64) -> Result<Self> {
        let policy = PolicyLoss::Dppo {
            divergence,
            low,
            high,
            cap: 20.0,
        };
        Self::new(policy, Level::Token, Aggregation::TokenMean)
    }

    /// A soft weight of the sequence's ratio, which falls off on both sides of 1.
    #[must_use]
    pub const fn vespo() -> Self {
        let policy = PolicyLoss::Vespo {
            k: [2.0, 3.0],
            lambda: [3.0, 2.0],
        };
        Self::of(policy, Level::Token, Aggregation::TokenMean)
    }

    /// The same with another clip, where the policy loss has one; else as it is.
    #[must_use]
    pub fn with_clip(self, clip: Clip) -> Self {
        let policy = match self.policy {
            PolicyLoss::Clip { dual, most, .. } => PolicyLoss::Clip { clip, dual, most },
            PolicyLoss::Cispo { .. } => PolicyLoss::Cispo { clip },
            PolicyLoss::ClipCov { .. } => PolicyLoss::ClipCov { clip },
            other => other,
        };
        Self { policy, ..self }
    }

    /// Dual clip: a ratio counts at most `dual`, above 1, where the advantage is below 0 (verl: 3). Without effect on losses without a
    /// clip of two branches.
    ///
    /// # Errors
    /// If `dual` is not finite or not above 1.
    pub fn with_dual(self, dual: f64) -> Result<Self> {
        let policy = match self.policy {
            PolicyLoss::Clip { clip, most, .. } => PolicyLoss::Clip {
                clip,
                dual: Some(dual),
                most,
            },
            other => other,
        };
        self.with_policy(policy)
    }

    /// TRL's `delta`: an unclipped ratio counts at most `most`, above 1. Without effect on losses without a clip of two branches.
    ///
    /// # Errors
    /// If `most` is not finite or not above 1.
    pub fn with_most(self, most: f64) -> Result<Self> {
        let policy = match self.policy {
            PolicyLoss::Clip { clip, dual, .. } => PolicyLoss::Clip {
                clip,
                dual,
                most: Some(most),
            },
            other => other,
        };
        self.with_policy(policy)
    }
}
