//! From rewards to advantages: plain numbers, no tensor.
//!
//! Rewards come as [`Groups`]: the responses to one prompt are a group. What gives one number a response implements [`Advantage`];
//! what gives one a token (`token`) takes rewards and masks of `[responses, tokens]`. Both answer with [`Advantages`], which the
//! objectives take.
//!
//! Groups are never split over micro-batches or devices: take the advantages of the whole step, then
//! [`Advantages::rows`] for each part.

mod adaptive_kl;
mod advantages;
mod gdpo;
mod gpg;
mod groups;
mod grpo;
mod opo;
mod pass_at_k;
mod policy_filter;
mod reinforce;
mod remax;
mod rloo;
mod running_mean;
mod token;
mod trust;

pub use adaptive_kl::AdaptiveKl;
pub use advantages::{Advantage, Advantages, NoSignal};
pub use gdpo::Gdpo;
pub use gpg::Gpg;
pub use groups::Groups;
pub use grpo::{Deviation, Grpo, Scale};
pub use opo::Opo;
pub use pass_at_k::PassAtK;
pub use policy_filter::PolicyFilter;
pub use reinforce::{Baseline, Reinforce};
pub use remax::Remax;
pub use rloo::Rloo;
pub use running_mean::RunningMean;
pub use token::{
    Gae, OptimalTokenBaseline, ReinforcePlusPlus, Returns, TokenMask, token_rewards, whiten,
};
pub use trust::{TrustGrpo, Trusted};
