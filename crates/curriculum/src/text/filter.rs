//! Which stretches of numbers are certainly not in a set, from a few bits of each.

/// The factor of the rolling hash of a stretch, and the one that spreads it: odd numbers of many bits.
const ROLL: u64 = 0x9E37_79B9_7F4A_7C15;
const SPREAD: u64 = 0xD6E8_FEB8_6659_FD93;

/// A Bloom filter of stretches of `n` numbers, with two bits of one 64-bit word for each: about one stretch in fifty that is not in the set
/// passes. It decides about no match; what passes is compared number by number.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    n: usize,
    /// `ROLL^(n - 1)`: the factor of a stretch's first number.
    first: u64,
    words: Vec<u64>,
    /// The bits by which a spread hash is shifted to the place of a word.
    shift: u32,
}

impl Filter {
    /// A filter of stretches of `n` numbers, up to 4 bytes for each, and 16 at least.
    pub(super) fn new<'a>(n: usize, stretches: impl ExactSizeIterator<Item = &'a [u32]>) -> Self {
        let words = (stretches.len() / 4).next_power_of_two().max(2);
        let mut filter = Self {
            n,
            first: ROLL.wrapping_pow(n.saturating_sub(1) as u32),
            words: vec![0; words],
            shift: 64 - words.trailing_zeros(),
        };
        for stretch in stretches {
            let hash = stretch.iter().fold(0, |hash, number| enter(hash, *number));
            let (word, bits) = filter.place(hash);
            filter.words[word] |= bits;
        }
        filter
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        let spread = (hash ^ (hash >> 32)).wrapping_mul(SPREAD);
        let bits = (1 << ((spread >> 30) & 63)) | (1 << ((spread >> 36) & 63));
        ((spread >> self.shift) as usize, bits)
    }

    /// Gives the start of each stretch that may be in the set.
    pub(super) fn for_each(&self, numbers: &[u32], mut start: impl FnMut(usize)) {
        let Some(before) = self.n.checked_sub(1) else {
            return;
        };
        let Some((first, entering)) = numbers.split_at_checked(before) else {
            return;
        };
        let mut hash = first.iter().fold(0, |hash, number| enter(hash, *number));
        for (at, (entered, left)) in entering.iter().zip(numbers).enumerate() {
            hash = enter(hash, *entered);
            let (word, bits) = self.place(hash);
            if self.words[word] & bits == bits {
                start(at);
            }
            hash = hash.wrapping_sub((u64::from(*left) + 1).wrapping_mul(self.first));
        }
    }
}

fn enter(hash: u64, number: u32) -> u64 {
    hash.wrapping_mul(ROLL).wrapping_add(u64::from(number) + 1)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn what_is_in_the_set_passes_and_little_else() {
        for n in [1, 2, 8, 13, 256] {
            let numbers = |seed: u64, count: u64| -> Vec<u32> {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                (0..count).map(|_| rng.random_range(0..50_000)).collect()
            };
            let held = numbers(1, 20_000);
            let stretches: Vec<&[u32]> = held.windows(n).collect();
            let filter = Filter::new(n, stretches.iter().copied());
            let passing = |numbers: &[u32]| {
                let mut starts = Vec::new();
                filter.for_each(numbers, |at| starts.push(at));
                starts
            };
            assert_eq!(passing(&held).len(), stretches.len(), "{n}");
            for short in 0..n {
                assert!(passing(&held[..short]).is_empty());
            }
            assert_eq!(passing(&held[77..77 + n]), [0]);
            if n > 1 {
                let other = passing(&numbers(2, 20_000));
                assert!(other.len() < 1_000, "{n}: {}", other.len());
            }
        }
        let empty = Filter::new(8, std::iter::empty());
        empty.for_each(&[3; 100], |_| panic!("nothing is in it"));
    }
}
