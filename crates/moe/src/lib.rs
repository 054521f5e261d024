#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod activation;
pub mod balance;
mod dispatch;
mod error;
mod experts;
#[cfg(feature = "flex")]
#[allow(unreachable_pub, reason = "the trait of an extension is public")]
mod kernel;
mod moe;
pub mod pathways;
mod plan;
mod routers;
mod routing;
mod select;
mod upcycling;

pub use activation::Activation;
pub use dispatch::{Capacity, Dispatch, DropOrder, capacity};
pub use error::{MoeError, Result};
pub use experts::Experts;
#[cfg(feature = "flex")]
pub use kernel::release_workspace;
pub use moe::{Moe, MoeConfig, Tokens};
pub use routers::{
    Choices, ExpertChoiceRouter, ExpertChoiceRouterConfig, Gating, HashRouter, HashRouterConfig,
    Noise, NoisyRouter, NoisyRouterConfig, NoisyScores, Router, RouterConfig, RouterInput,
    SigmoidRouter, SigmoidRouterConfig, SoftmaxRouter, SoftmaxRouterConfig, select_sigmoid,
};
pub use routing::{AuxiliaryLosses, Routing};
pub use select::top_k;
pub use upcycling::{Dense, UpcycleConfig, merge};
