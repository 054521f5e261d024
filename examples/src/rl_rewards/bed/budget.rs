//! What an arm of an experiment cost.

use crate::experiment::Trial;

/// Tokens, updates and calls of an arm. Comparisons between arms that sample are at equal sampled tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Tokens that were sampled, discarded ones included.
    pub sampled: usize,
    /// Tokens that a tool wrote.
    pub observed: usize,
    /// Tokens of prompts that were read for sampling, once a group.
    pub read: usize,
    /// Tokens whose log-probability was taken without a gradient.
    pub scored: usize,
    /// Tokens that a gradient was taken of.
    pub trained: usize,
    /// Updates of the policy.
    pub updates: usize,
    /// Answers that a verifier looked at.
    pub verified: usize,
    /// Demonstrations seen.
    pub demonstrations: usize,
}

impl Budget {
    /// Notes all of it for an arm.
    pub fn record(&self, trial: &mut Trial, arm: &str) {
        for (metric, value) in [
            ("sampled tokens", self.sampled),
            ("observed tokens", self.observed),
            ("tokens of prompts", self.read),
            ("scored tokens", self.scored),
            ("trained tokens", self.trained),
            ("updates", self.updates),
            ("verified answers", self.verified),
            ("demonstrations", self.demonstrations),
        ] {
            trial.record(arm, metric, value as f64);
        }
    }
}
