//! What a task of the test bed is: prompts of one width, and responses that a program checks.

use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::Completion;

/// Where a prompt is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Prompts that warm-up and training may have.
    Training,
    /// Prompts that neither ever has.
    HeldOut,
}

/// A family of prompts, over which warm-up, evaluation and reinforcement learning go. What `Debug` writes tells tasks apart.
pub trait Task: std::fmt::Debug {
    /// What a prompt asks.
    type Problem;
    /// By what results are told apart.
    type Level: Copy + Ord;

    /// Draws a problem.
    fn draw(&self, part: Part, rng: &mut ChaCha8Rng) -> Self::Problem;

    /// The tokens of a prompt, as many for every problem.
    fn prompt(&self, problem: &Self::Problem) -> Vec<u32>;

    /// Tokens of a response at most, those of tools included.
    fn response_length(&self) -> usize;

    /// Whether a response ends with the end token. Where all have one length there is none, and no response counts as cut off.
    fn has_end(&self) -> bool {
        true
    }

    /// A response as the warm-up shows it.
    fn taught(&self, problem: &Self::Problem, rng: &mut ChaCha8Rng) -> Completion;

    /// Whether a completion is right.
    fn is_right(&self, problem: &Self::Problem, completion: &Completion) -> bool;

    /// The level of a problem.
    fn level(&self, problem: &Self::Problem) -> Self::Level;

    /// What a tool writes after the newest token of a completion; mostly nothing.
    fn observe(&self, _prompt: &[u32], _completion: &[u32]) -> Vec<u32> {
        Vec::new()
    }
}
