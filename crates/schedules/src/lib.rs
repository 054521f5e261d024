#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod adaptive_batch;
#[cfg(feature = "burn")]
pub mod adaptor;
pub mod any;
pub mod between;
pub mod blend;
pub mod catalogue;
mod checked;
pub mod clock;
pub mod combine;
pub mod curve;
pub mod decoding;
pub mod early_signals;
mod error;
pub mod feedback;
pub mod importance;
pub mod law;
mod maths;
pub mod multigrid;
#[cfg(feature = "burn")]
pub mod norms;
pub mod peers;
#[cfg(feature = "plot")]
pub mod plot;
pub mod recipes;
pub mod refined;
pub mod replay;
pub mod schedule;
pub mod shapes;
pub mod smoothing;

pub use adaptive_batch::{AdaptiveBatch, AdaptiveBatchConfig, BatchTest, GradientStatistics};
#[cfg(feature = "burn")]
pub use adaptor::{LrFeedback, LrSchedule};
pub use any::AnySchedule;
pub use between::Between;
pub use blend::{Combined, Noise, Noisy, Reduction, Swa};
pub use catalogue::{
    Boundary, Curve, Cyclic, CyclicMode, Exponential, HardRestarts, Infinite, InverseTime, Lambda,
    MultiStep, Noam, OneCycle, PiecewiseConstant, PiecewiseInterpolate, Rewarmed, Rise, Stable,
    Stage, Step, Table, Tanh, WarmRestarts, Wsd,
};
pub use clock::{Held, Repeated, Restarted, Sequence, Skipped};
pub use combine::{Clamped, Scaled, Then, Warmup, WarmupClock};
pub use curve::{LearningTrace, LearningTraceConfig, PowerLaw};
#[cfg(feature = "burn")]
pub use decoding::TokenSampler;
pub use decoding::{Annealing, DecodingTemperature};
pub use early_signals::{EarlySignal, EarlySignals, EarlySignalsConfig, Selection, select};
pub use error::{Error, Result};
pub use feedback::{
    AdaGradNorm, Feedback, Greedy, GreedyConfig, Mode, PlateauRule, Reaction, ReduceOnPlateau,
    ReduceOnPlateauConfig, Threshold,
};
pub use importance::{Bridge, Importance};
pub use multigrid::{Multigrid, MultigridConfig, MultigridRun};
#[cfg(feature = "burn")]
pub use norms::{GradientNorms, ScalarLog};
#[cfg(feature = "plot")]
pub use plot::Picture;
pub use recipes::SftRecipe;
pub use refined::{Norm, Refined, RefinedConfig};
pub use replay::Replay;
pub use schedule::{Schedule, ScheduleExt};
pub use shapes::{Constant, Cosine, InverseSqrt, Linear, Polynomial};
