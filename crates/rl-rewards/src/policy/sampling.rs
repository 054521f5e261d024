//! What a search or a training loop wants of a policy: answers, or steps of answers.

use super::completion::Completion;
use super::rollouts::Rollouts;
use crate::error::Result;

/// A policy from which completions are sampled.
///
/// A model that is a [`NextToken`](super::NextToken) implements it by [`generate`](super::generate); one behind an engine of its own turns the
/// engine's tokens and log-probabilities into [`Rollouts`].
pub trait SamplePolicy {
    /// `samples` completions of each prompt, by the same seed the same ones: those of a prompt next to each other, in the prompts'
    /// order.
    ///
    /// # Errors
    /// As the implementation says.
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts>;
}

/// A policy that goes on with answers a step at a time: what searches over steps want, such as
/// [`ParticleFilter`](crate::search::ParticleFilter).
///
/// [`Steps`](super::Steps) makes one of any model that is a [`NextToken`](super::NextToken).
pub trait StepPolicy {
    /// One more step of each beginning, in order. A step follows from the beginning's prompt, text and seed: not from the others.
    ///
    /// # Errors
    /// As the implementation says.
    fn steps(&self, beginnings: &[Beginning<'_>]) -> Result<Vec<Step>>;
}

/// What a step goes on with.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// The tokens of the prompt.
    pub prompt: &'a [u32],
    /// The answer so far, without a token at first.
    pub so_far: &'a Completion,
    /// What the draws of the step follow from.
    pub seed: u64,
}

/// A beginning with one step more.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The whole answer so far.
    pub completion: Completion,
    /// Whether nothing comes after it: it ended, or it has all the tokens that it may have.
    pub over: bool,
}
