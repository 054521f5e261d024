//! Rows of completions that are being written.

use rand_chacha::ChaCha8Rng;

use super::completion::{Completion, End};
use crate::keyed::keyed;

/// A row: a sample of a prompt, what it has so far, and what it must read before it samples again.
pub(super) struct Row {
    pub(super) prompt: usize,
    pub(super) sample: usize,
    pub(super) completion: Completion,
    pub(super) forced: std::collections::VecDeque<u32>,
    pub(super) sampled: usize,
    pub(super) done: bool,
}

impl Row {
    pub(super) fn new(prompt: usize, sample: usize) -> Self {
        Self::begun(prompt, sample, Completion::new(End::Truncated))
    }

    /// With an answer so far.
    pub(super) fn begun(prompt: usize, sample: usize, completion: Completion) -> Self {
        Self {
            prompt,
            sample,
            sampled: completion.count_sampled(),
            completion,
            forced: std::collections::VecDeque::new(),
            done: false,
        }
    }

    /// The generator of the row's next token: of seed, prompt, sample and token alone, whatever the batch.
    pub(super) fn rng(&self, seed: u64, key: u64) -> ChaCha8Rng {
        keyed([seed, key, self.sample as u64, self.sampled as u64])
    }
}
