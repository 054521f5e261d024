//! What sampling, rewards and objectives agree on: completions of prompts, and the traits of a policy.
//!
//! | type | what it is |
//! |---|---|
//! | [`Completion`] | the tokens after a prompt, which of them were sampled, with which log-probability, and how it ended |
//! | [`Rollouts`] | the completions of many prompts, in groups |
//! | [`Sequences`] | rollouts as tensors: tokens, targets and the mask of what was sampled |
//! | [`SamplePolicy`] | samples rollouts |
//! | [`StepPolicy`] | goes on with answers a step at a time: [`Steps`] makes one of a language model |
//! | [`ScorePolicy`] | log-probabilities of rollouts, differentiable |
//! | [`NextToken`] | a language model one token at a time: [`generate`] samples from it in batches |
//!
//! The end token is part of the completion where it was sampled: it counts in the length, has mask 1 and gets a gradient. A
//! completion that was cut off has none. Tokens that a tool wrote are observed: context with mask 0.

mod completion;
#[cfg(feature = "burn")]
mod generate;
mod pass_at_k;
mod rollouts;
#[cfg(feature = "burn")]
mod rows;
mod sampling;
#[cfg(feature = "burn")]
mod self_evaluation;
#[cfg(feature = "burn")]
mod sequences;
#[cfg(feature = "burn")]
mod steps;
#[cfg(feature = "burn")]
mod traits;

pub use completion::{Completion, End};
#[cfg(feature = "burn")]
pub use generate::{Decoding, Observer, generate, generate_with};
pub use pass_at_k::{pass_at_k, worst_at_k};
pub use rollouts::{Rollout, Rollouts};
pub use sampling::{Beginning, SamplePolicy, Step, StepPolicy};
#[cfg(feature = "burn")]
pub use self_evaluation::SelfEvaluation;
#[cfg(feature = "burn")]
pub use sequences::Sequences;
#[cfg(feature = "burn")]
pub use steps::Steps;
#[cfg(feature = "burn")]
pub use traits::{NextToken, ScorePolicy};
