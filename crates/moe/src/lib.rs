#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod balance;
mod convert;
mod dispatch;
mod error;
mod experts;
mod kernel;
mod moe;
pub mod pathways;
mod routers;

pub use balance::AuxiliaryLosses;
pub use convert::{
    Dense, HuggingFaceConfig, HuggingFaceFamily, UpcycleConfig, merge, merge_watched,
};
pub use dispatch::{Capacity, Dispatch, DropGroup, DropOrder, Routing, capacity};
pub use error::{MoeError, Result};
pub use experts::{Activation, Experts};
#[cfg(feature = "flex")]
pub use kernel::release_workspace;
pub use moe::{Moe, MoeConfig, Tokens};
pub use routers::{
    Choices, ExpertChoiceRouter, ExpertChoiceRouterConfig, Gating, HashRouter, HashRouterConfig,
    Noise, NoisyRouter, NoisyRouterConfig, NoisyScores, Router, RouterConfig, RouterInput,
    SigmoidRouter, SigmoidRouterConfig, SoftmaxRouter, SoftmaxRouterConfig, select_sigmoid, top_k,
};
