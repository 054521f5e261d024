//! Word n-grams as numbers, the same in every process and on every machine: a saved classifier depends on it.

use crate::text::TextTokens;

/// FNV-1a of a word's bytes.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Spreads a hash over all its bits (the finaliser of MurmurHash3).
fn spread(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// Where word n-grams of a text fall: its stretches of 1 to `n` tokens, each in one of `2^bits` places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grams {
    pub(super) tokens: TextTokens,
    pub(super) n: usize,
    pub(super) bits: u32,
}

impl Grams {
    /// The places of a text's n-grams, each once and in rising order, and the number of its tokens. `last` is memory for the work.
    pub(super) fn of(&self, text: &str, last: &mut Vec<u64>, places: &mut Vec<u32>) -> u64 {
        let (mut count, shift) = (0, 64 - self.bits);
        places.clear();
        last.clear();
        self.tokens.for_each(text, |token| {
            count += 1;
            let own = word(token.as_bytes());
            // Each stretch that ends here is one that ended a token before, and this token.
            for before in last.iter_mut() {
                *before = spread(*before ^ own.rotate_left(17));
            }
            if last.len() == self.n {
                last.remove(0);
            }
            last.push(spread(own));
            places.extend(last.iter().map(|gram| (gram >> shift) as u32));
        });
        places.sort_unstable();
        places.dedup();
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str, n: usize) -> (Vec<u32>, u64) {
        let grams = Grams {
            tokens: TextTokens::Words,
            n,
            bits: 24,
        };
        let mut places = Vec::new();
        let count = grams.of(text, &mut Vec::new(), &mut places);
        (places, count)
    }

    #[test]
    fn stretches_are_those_of_a_list() {
        let all = |text: &str| places(text, 3).0;
        // Three words, two pairs and one triple.
        assert_eq!(places("a b c", 3).0.len(), 6);
        assert_eq!(places("a b c d", 2).0.len(), 7);
        assert_eq!(places("a a a a", 2).0, places("A, a a", 2).0);
        assert_eq!(places("a a a a", 2).1, 4);
        assert_ne!(all("a b"), all("b a"));
        let (short, long) = (all("a b c"), all("z a b c"));
        assert!(short.iter().all(|place| long.contains(place)));
        assert_eq!(places("", 2), (Vec::new(), 0));
    }

    /// A saved classifier means the same in another process: these places are part of its format.
    #[test]
    fn places_stay() {
        assert_eq!(places("the list", 2).0, [5_891_881, 12_874_356, 13_320_180]);
    }
}
