#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;

pub mod memory;

pub mod scenario;

pub mod metrics;

#[cfg(feature = "burn")]
mod classifier;
#[cfg(feature = "burn")]
mod examples;
#[cfg(feature = "burn")]
mod saved;
#[cfg(feature = "burn")]
mod strategy;
#[cfg(feature = "burn")]
mod teacher;

#[cfg(feature = "burn")]
pub mod penalties;

#[cfg(feature = "burn")]
pub mod projections;

#[cfg(feature = "burn")]
pub mod methods;

#[cfg(feature = "burn")]
pub mod refresh;

pub mod few_shot;
pub mod plasticity;

#[cfg(feature = "burn")]
pub use classifier::{Classifier, Encoder};
pub use error::{ContinualError, Result};
#[cfg(feature = "burn")]
pub use examples::{Examples, FloatRow, IntRow};
#[cfg(feature = "burn")]
pub use few_shot::{
    Augment, Backbone, FewShot, FewShotConfig, FewShotNet, Prototypes, PrototypesConfig, SubNet,
    SubNetConfig,
};
pub use few_shot::{Sessions, harmonic_mean};
pub use memory::{Capacity, Kept, Memory, MemoryConfig, Policy};
#[cfg(feature = "burn")]
pub use memory::{ReplayLoader, ReplayLoaderConfig};
#[cfg(feature = "burn")]
pub use methods::{
    AGem, AGemConfig, AdapterPool, AdapterPoolConfig, Anneal, Annealed, BiasCorrection, Chosen,
    Column, CosineClassifier, CosineLinear, CosineLinearConfig, Der, DerConfig, DerPlusPlus,
    DerPlusPlusConfig, DualPrompt, DualPromptConfig, Er, ErAce, ErAceConfig, ErConfig, Ewc,
    EwcConfig, Fill, GDumb, GDumbConfig, Gated, Gem, GemConfig, Gpm, GpmConfig, GroupMask, Gss,
    GssConfig, Hat, HatConfig, HatGate, HatGateConfig, Icarl, IcarlConfig, Lateral, Lucir,
    LucirConfig, Lwf, LwfConfig, Mas, MasConfig, Mir, MirConfig, NearestMean, NearestMeanConfig,
    Ogd, OgdConfig, OnlineEwc, OnlineEwcConfig, PackNet, PackNetConfig, Progressive,
    ProgressiveConfig, PromptPool, PromptPoolConfig, RWalk, RWalkConfig, Si, SiConfig, Slda,
    SldaConfig, WeightNormLinear, WeightNormLinearConfig, align_weights, group_masked,
};
pub use metrics::{Accumulation, AccuracyMatrix, Compute};
#[cfg(feature = "burn")]
pub use plasticity::{
    ContinualBackprop, ContinualBackpropConfig, L2Init, L2InitConfig, Probed, ReDo, ReDoConfig,
    Reset, ResetConfig, ShrinkPerturb, ShrinkPerturbConfig,
};
pub use plasticity::{ReplayRatio, ReplayRatioConfig};
#[cfg(feature = "burn")]
pub use refresh::{Direction, Form, Refresh, RefreshConfig};
pub use scenario::Task;
#[cfg(feature = "burn")]
pub use strategy::{Steps, Strategy, plain_loss};
