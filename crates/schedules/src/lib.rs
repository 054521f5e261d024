#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;
mod maths;
#[cfg(feature = "forecast")]
mod solve;

pub mod schedule;

pub mod curve;

pub mod values;

pub mod refine;

pub mod compose;

pub mod feedback;

#[cfg(feature = "forecast")]
pub mod forecast;

pub mod peers;

#[cfg(feature = "plot")]
pub mod plot;

#[cfg(feature = "burn")]
mod burn;

#[cfg(feature = "burn")]
pub use self::burn::{LrFeedback, LrSchedule};
pub use compose::{
    AnySchedule, Clamped, Combined, Held, Noise, Noisy, Reduction, Repeated, Restarted, Scaled,
    ScheduleExt, Sequence, Skipped, Swa, Then, Warmup, WarmupClock,
};
pub use curve::{Curve, Rise};
pub use error::{Error, Result};
pub use feedback::{
    AdaGradNorm, Feedback, Greedy, GreedyConfig, Mode, PlateauRule, Reaction, ReduceOnPlateau,
    ReduceOnPlateauConfig, Threshold,
};
#[cfg(feature = "forecast")]
pub use forecast::early_signals::{
    EarlySignal, EarlySignals, EarlySignalsConfig, Selection, select,
};
#[cfg(feature = "forecast")]
pub use forecast::learning_curve::{LearningTrace, LearningTraceConfig, PowerLaw};
pub use peers::recipes::SftRecipe;
#[cfg(feature = "plot")]
pub use plot::Picture;
pub use refine::{Norm, Refined, RefinedConfig};
pub use schedule::{MOST_LEVELS, Schedule};
pub use values::{
    Between, Boundary, Bridge, Constant, Cosine, Cyclic, CyclicMode, Exponential, HardRestarts,
    Importance, Infinite, InverseSqrt, InverseTime, Lambda, Linear, MultiStep, Noam, OneCycle,
    PiecewiseConstant, PiecewiseInterpolate, Polynomial, Rewarmed, Stable, Stage, Step, Table,
    Tanh, WarmRestarts, Wsd,
};
