#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;

pub mod sampler;

pub mod batches;

#[cfg(feature = "burn")]
pub mod loader;

pub mod select;

pub mod ability;

pub mod text;

pub mod mixing;

pub mod active;

pub mod tasks;

pub mod order;

#[cfg(feature = "transfer")]
pub mod transfer;

pub use ability::{
    AbilityPaced, AbilityPacedConfig, AdaptiveDifficulty, AdaptiveDifficultyConfig, ClusterDraws,
    ClusterDrawsConfig, difficulty, normalised_inversions,
};
pub use batches::adaptive_batch::{
    AdaptiveBatch, AdaptiveBatchConfig, BatchTest, GradientStatistics, MicroBatches,
    combined_variance, split,
};
#[cfg(feature = "burn")]
pub use batches::adaptive_batch::{GradientMoments, LrBySamples};
pub use batches::multigrid::{
    BatchNormGroups, BatchNormStatistics, BatchShape, Dimension, Multigrid, MultigridConfig,
    MultigridEntry, MultigridRun, ShortCycle, jitter_range, temporal_strides,
};
#[cfg(feature = "burn")]
pub use batches::multigrid::{SubBatchNorm, SubBatchNormConfig, merge_groups};
pub use batches::{BatchSizes, LiveBatchSize, Replay};
pub use error::{CurriculumError, Result};
#[cfg(feature = "burn")]
pub use loader::{CurriculumLoader, Feedback, LoaderState, NotedLosses, Rejected, Sample};
pub use mixing::{
    AgentMixture, DoReMi, DoReMiConfig, Doge, DogeConfig, MixturePolicy, MixtureWalk, RegMix,
    Trajectory,
};
#[cfg(feature = "burn")]
pub use mixing::{MixingAgent, MixingAgentConfig, MixingAgentState};
pub use sampler::{EpochPlan, Sampler};
pub use select::{
    Chosen, DynamicRandom, EasyFirst, Forgetting, InfoBatch, InfoBatchConfig, Mixture,
    MixtureConfig, Pacing, Prioritised, ReplayDraw, ReplayMix, ReplayMixConfig, SelfPaced, Seta,
    SetaConfig, StaticSubset, Uniform, Weighted, mixture_weights,
};
