#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;
mod keyed;

pub mod advantage;
pub mod decoding;
pub mod objective;
pub mod policy;
#[cfg(feature = "burn")]
pub mod preference;
pub mod recipes;
pub mod reward;
pub mod search;
pub mod tasks;
pub mod verify;

pub use advantage::{
    AdaptiveKl, Advantage, Advantages, Baseline, Deviation, Gae, Gdpo, Gpg, Groups, Grpo, NoSignal,
    Opo, OptimalTokenBaseline, PassAtK, PolicyFilter, Reinforce, ReinforcePlusPlus, Remax, Returns,
    Rloo, RunningMean, Scale, TokenMask, TrustGrpo, Trusted, token_rewards, whiten,
};
pub use decoding::{Annealing, DecodingTemperature, Temperature};
#[cfg(feature = "burn")]
pub use decoding::{Sampled, TokenSampler, temper, token_log_probs, truncated_ratio};
pub use error::{Result, RlRewardsError};
#[cfg(feature = "burn")]
pub use objective::{
    Aggregation, Chunked, Clip, ClipCov, Correction, Denominator, Density, Divergence, KlCov,
    KlEstimator, KlGradient, KlTerm, Level, Measured, Metrics, Mismatch, MismatchBound,
    MismatchLevel, MismatchMeasure, MismatchOver, Objective, Outside, PolicyLoss, Stabilisation,
    TokenBatch, Totals, Unified, ValueLoss,
};
pub use objective::{Branch, DynamicSampling, Filled, HybridGate, LogWeights};
pub use policy::{
    Beginning, Completion, End, Rollout, Rollouts, SamplePolicy, Step, StepPolicy, pass_at_k,
    worst_at_k,
};
#[cfg(feature = "burn")]
pub use policy::{
    Decoding, NextToken, Observer, ScorePolicy, Sequences, Steps, generate, generate_with,
};
#[cfg(feature = "burn")]
pub use preference::{
    Aot, ApoDown, ApoZero, Bco, BcoShift, Cpo, DiscoPop, Dpo, DpoLoss, Exo, FDivergence, Ipo, Kto,
    Marked, Nca, Orpo, Pairs, Preference, Scored, SimPo, Sppo, alignment_weights,
};
#[cfg(feature = "burn")]
pub use recipes::{
    Criterion, Episode, Example, Flips, Guidance, GuidedRatio, Improved, MultiTurn, Placement,
    Reformulated, Reformulation, Rescued, Rise, Rlvr, RlvrForm, Turn,
};
pub use reward::{AnyScorer, Overlong, PerToken, Response, Reward, RewardScore, Scorer};
pub use verify::{
    AnyVerifier, Choice, Constraint, Countdown, Extract, Gsm8k, Instructions, Json, MathAnswer,
    MathFlex, Reason, Sudoku, Tags, TextMatch, TokenF1, Verdict, Verifier, math_equal,
};
