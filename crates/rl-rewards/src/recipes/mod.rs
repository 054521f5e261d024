//! What is called in a training loop: small pieces over the traits of policies and agents.
//!
//! | type | what it is |
//! |---|---|
//! | [`MultiTurn`] | several answers to a prompt, each after feedback on those before it |
//! | [`Episode`] | the answers that it gave |
//! | [`Flips`] | how often right answers became wrong and wrong ones right |
//! | [`Rise`] | better answers to the states that a policy came into, and the loss on them |
//! | [`Reformulation`] | answers that the policy wrote with an expert's solution in view, where all its own fail |
//! | [`Rlvr`] | rewards of a verifier, wired into PPO or GRPO with a reference policy |
//! | [`itool`] | preference pairs of fragments of tool calls, found by a tree search where the policy is weak |
//! | [`learned`] | objectives that evolution finds |

#[cfg(feature = "burn")]
mod episode;
pub mod itool;
pub mod learned;
#[cfg(feature = "burn")]
mod reformulation;
#[cfg(feature = "burn")]
mod rise;
#[cfg(feature = "burn")]
mod rlvr;
#[cfg(feature = "burn")]
mod turns;

#[cfg(feature = "burn")]
pub use episode::{Episode, Flips, Turn, majority, repeats, solved_within};
#[cfg(feature = "burn")]
pub use reformulation::{Guidance, GuidedRatio, Placement, Reformulated, Reformulation, Rescued};
#[cfg(feature = "burn")]
pub use rise::{Criterion, Example, Improved, Rise};
#[cfg(feature = "burn")]
pub use rlvr::{Rlvr, RlvrForm};
#[cfg(feature = "burn")]
pub use turns::MultiTurn;
