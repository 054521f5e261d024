//! Random draws that follow from a seed and an epoch.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The generator of one epoch.
pub(crate) fn generator(seed: u64, epoch: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch as u64);
    rng
}

/// `floor(share * examples)` distinct ids, at least one, uniformly, in rising order: one pass (Knuth's algorithm
/// S), so that what follows reads memory in order.
pub(crate) fn subset(share: f64, examples: usize, rng: &mut impl Rng) -> Vec<usize> {
    let count = count(share, examples).max(1).min(examples);
    if count == examples {
        return (0..examples).collect();
    }
    let mut ids = Vec::with_capacity(count);
    for id in 0..examples {
        let (left, needed) = ((examples - id) as u64, (count - ids.len()) as u64);
        if needed == 0 {
            break;
        }
        // 32 bits of chance: the bias is below 1 in 4 billion per example.
        if (u64::from(rng.next_u32()) * left) >> 32 < needed {
            ids.push(id);
        }
    }
    ids
}

/// `floor(share * n)`, against rounding of products such as `0.6 * 5`.
pub(crate) fn count(share: f64, examples: usize) -> usize {
    ((share * examples as f64 + 1e-9).floor() as usize).min(examples)
}

/// The ids in random order.
pub(crate) fn shuffled(mut ids: Vec<usize>, rng: &mut impl Rng) -> Vec<usize> {
    ids.shuffle(rng);
    ids
}
