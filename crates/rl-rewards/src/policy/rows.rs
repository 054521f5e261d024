//! Rows of completions that are being written.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::completion::{Completion, End};

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
        Self {
            prompt,
            sample,
            completion: Completion::new(End::Truncated),
            forced: std::collections::VecDeque::new(),
            sampled: 0,
            done: false,
        }
    }

    /// The generator of the row's next token: of seed, prompt, sample and token alone, whatever the batch.
    pub(super) fn rng(&self, seed: u64, key: u64) -> ChaCha8Rng {
        let parts = [seed, key, self.sample as u64, self.sampled as u64];
        let mut bytes = [0; 32];
        for (part, place) in parts.iter().zip(bytes.chunks_exact_mut(8)) {
            place.copy_from_slice(&part.to_le_bytes());
        }
        ChaCha8Rng::from_seed(bytes)
    }
}

/// A number for a prompt's tokens, the same wherever the prompt stands: FNV-1a.
pub(super) fn key(prompt: &[u32]) -> u64 {
    let bytes = prompt.iter().flat_map(|token| token.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
