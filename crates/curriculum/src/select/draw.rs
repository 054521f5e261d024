//! Random draws that follow from a seed and an epoch.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
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

/// So many distinct ids, in rising order: the next one is each of those left with a chance in proportion to `exp(rate)`.
pub(crate) fn by_log_rates(
    rates: impl ExactSizeIterator<Item = f64>,
    wanted: usize,
    rng: &mut impl Rng,
) -> Vec<usize> {
    // The smallest of exponential times at these rates: by their logarithms, which neither overflow nor vanish.
    let mut keys: Vec<(f64, usize)> = Vec::with_capacity(rates.len());
    for (id, rate) in rates.enumerate() {
        let time = -(1.0 - rng.random::<f64>()).ln();
        keys.push((time.ln() - rate, id));
    }
    if wanted < keys.len() {
        keys.select_nth_unstable_by(wanted, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        keys.truncate(wanted);
    }
    let mut ids: Vec<usize> = keys.into_iter().map(|(_, id)| id).collect();
    ids.sort_unstable();
    ids
}
