//! # NearDuplicates
//!
//! Documents that are nearly the same: similar in their shingles, found without comparing all pairs.
//!
//! Source: Broder 1997, "On the Resemblance and Containment of Documents"; the bands of Indyk and Motwani 1998 as Leskovec, Rajaraman and
//! Ullman write them, "Mining of Massive Datasets", chapter 3

use crate::text::tokens::TextTokens;

use super::verify::Verify;

/// One order of all shingles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permutation {
    pub(super) flip: u64,
    pub(super) factor: u64,
}

/// Signatures, bands and similarities of documents. The same configuration gives the same signatures on every machine.
///
/// ```
/// use regimen_curriculum::text::NearDuplicatesConfig;
///
/// let index = NearDuplicatesConfig::new().with_shingle(2).init()?;
/// let (one, other) = ("a b c d e f g h", "a b c d e f g x");
/// let exact = index.jaccard(one, other);
/// assert_eq!(exact, 6.0 / 8.0);
/// let estimate = index.estimate(&index.signature(one), &index.signature(other));
/// assert!((estimate - exact).abs() < 4.0 * (exact * (1.0 - exact) / 128.0).sqrt());
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NearDuplicates {
    pub(super) shingle: usize,
    pub(super) threshold: f64,
    pub(super) verify: Verify,
    pub(super) tokens: TextTokens,
    pub(super) bands: usize,
    pub(super) rows: usize,
    pub(super) permutations: Vec<Permutation>,
}

/// The factor of the polynomial of a shingle, and one that spreads: odd numbers of many bits.
const ROLL: u64 = 0x9E37_79B9_7F4A_7C15;
const SPREAD: u64 = 0xD6E8_FEB8_6659_FD93;

/// Both halves of a product of 128 bits in one number: each bit of it hangs on all bits of both.
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// A number of 64 bits for a token.
fn number(token: &str) -> u64 {
    let mut hash = SPREAD ^ token.len() as u64;
    let mut chunks = token.as_bytes().chunks_exact(8);
    for chunk in chunks.by_ref() {
        let value = chunk
            .first_chunk()
            .map_or(0, |all| u64::from_le_bytes(*all));
        hash = folded(hash ^ value, ROLL);
    }
    let rest = chunks.remainder().iter().rev();
    let value = rest.fold(0, |value, byte| (value << 8) | u64::from(*byte));
    folded(folded(hash ^ value, ROLL), SPREAD)
}

impl NearDuplicates {
    /// How many bands a signature has, and how many entries each of them.
    #[must_use]
    pub fn bands(&self) -> (usize, usize) {
        (self.bands, self.rows)
    }

    /// A number for each different shingle of a text, in ascending order; none for a text without a token.
    #[must_use]
    pub fn shingles(&self, text: &str) -> Vec<u64> {
        let mut shingles = Vec::new();
        self.shingles_into(text, &mut Vec::new(), &mut shingles);
        shingles.sort_unstable();
        shingles.dedup();
        shingles
    }

    /// As they come, some of them more than once.
    pub(super) fn shingles_into(&self, text: &str, tokens: &mut Vec<u64>, to: &mut Vec<u64>) {
        tokens.clear();
        to.clear();
        self.tokens
            .for_each(text, |token| tokens.push(number(token)));
        let n = self.shingle.min(tokens.len());
        if n == 0 {
            return;
        }
        let first = ROLL.wrapping_pow(n as u32 - 1);
        let enter = |hash: u64, token: u64| hash.wrapping_mul(ROLL).wrapping_add(token);
        let mut hash = tokens[..n - 1]
            .iter()
            .fold(0, |hash, one| enter(hash, *one));
        for (entered, left) in tokens[n - 1..].iter().zip(tokens.iter()) {
            hash = enter(hash, *entered);
            to.push(folded(hash ^ n as u64, SPREAD));
            hash = hash.wrapping_sub(left.wrapping_mul(first));
        }
    }

    /// For each permutation a number of the shingle that comes first: two texts have the same one with the probability of their Jaccard
    /// similarity. All are `u32::MAX` for a text without a token.
    #[must_use]
    pub fn signature(&self, text: &str) -> Vec<u32> {
        let mut signature = Vec::with_capacity(self.permutations.len());
        self.signature_into(&self.shingles(text), &mut signature);
        signature
    }

    /// Adds the signature of some shingles.
    pub(super) fn signature_into(&self, shingles: &[u64], to: &mut Vec<u32>) {
        to.extend(self.permutations.iter().map(|permutation| {
            let orders = shingles.iter().map(|shingle| permutation.order(*shingle));
            // The low half says which shingle it is: the high one is nearly 0 for all that come first.
            orders.min().unwrap_or(u64::MAX) as u32
        }));
    }

    /// A number for each band of a signature: texts that share one are candidates. None for the signature of a text without a token, or of
    /// another length.
    #[must_use]
    pub fn band_keys(&self, signature: &[u32]) -> Vec<u64> {
        let mut keys = Vec::with_capacity(self.bands);
        if signature.len() == self.permutations.len()
            && signature.iter().any(|entry| *entry != u32::MAX)
        {
            self.band_keys_into(signature, &mut keys);
        }
        keys
    }

    pub(super) fn band_keys_into(&self, signature: &[u32], to: &mut Vec<u64>) {
        let bands = signature.chunks_exact(self.rows).take(self.bands);
        to.extend(bands.enumerate().map(|(band, rows)| {
            let enter = |key: u64, entry: &u32| folded(key ^ u64::from(*entry), ROLL);
            let key = rows.iter().fold(folded(band as u64 + 1, SPREAD), enter);
            folded(key ^ SPREAD, SPREAD)
        }));
    }

    /// The share of equal entries of two signatures: an unbiased estimate of the Jaccard similarity. 0 where the lengths differ, or one is of a
    /// text without a token.
    #[must_use]
    pub fn estimate(&self, one: &[u32], other: &[u32]) -> f64 {
        let is_empty = |all: &[u32]| all.iter().all(|entry| *entry == u32::MAX);
        if one.len() != other.len() || is_empty(one) || is_empty(other) {
            return 0.0;
        }
        let equal = one.iter().zip(other).filter(|(a, b)| a == b).count();
        equal as f64 / one.len() as f64
    }

    /// The Jaccard similarity of the shingles of two texts, 0 to 1: those that both have over those that either has. 0 for a text without a
    /// token.
    #[must_use]
    pub fn jaccard(&self, one: &str, other: &str) -> f64 {
        jaccard(&self.shingles(one), &self.shingles(other))
    }
}

impl Permutation {
    fn order(self, shingle: u64) -> u64 {
        folded(shingle ^ self.flip, self.factor)
    }
}

/// Of numbers in ascending order, each once.
pub(super) fn jaccard(one: &[u64], other: &[u64]) -> f64 {
    let (mut a, mut b, mut both) = (0, 0, 0);
    while let (Some(left), Some(right)) = (one.get(a), other.get(b)) {
        a += usize::from(left <= right);
        b += usize::from(right <= left);
        both += usize::from(left == right);
    }
    let either = one.len() + other.len() - both;
    if either == 0 {
        0.0
    } else {
        both as f64 / either as f64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::config::NearDuplicatesConfig;
    use super::*;

    fn words(from: usize, to: usize) -> String {
        let words: Vec<String> = (from..to).map(|word| format!("w{word}")).collect();
        words.join(" ")
    }

    #[test]
    fn shingles_are_counted_once_and_short_texts_are_one() {
        let index = NearDuplicatesConfig::new().with_shingle(3).init().unwrap();
        assert_eq!(index.shingles("a b c d").len(), 2);
        assert_eq!(index.shingles("a b c a b c a b c").len(), 3);
        assert_eq!(index.shingles("a b").len(), 1);
        assert_eq!(index.jaccard("a b", "A, b"), 1.0);
        assert_eq!(index.jaccard("a b", "b a"), 0.0);
        assert_eq!(index.jaccard("a b c", "a b"), 0.0);
        assert!(index.shingles(" \n.").is_empty());
        assert_eq!(index.jaccard("", ""), 0.0);
        let empty = index.signature("");
        assert_eq!(index.estimate(&empty, &empty), 0.0);
        assert!(index.band_keys(&empty).is_empty());
        assert!(index.band_keys(&[1, 2]).is_empty());
        assert_eq!(index.estimate(&empty, &[1]), 0.0);
        assert_eq!(index.band_keys(&index.signature("a")).len(), 18);
    }

    /// By hand: 4 of 6 shingles.
    #[test]
    fn similarity_by_hand() {
        let index = NearDuplicatesConfig::new().with_shingle(2).init().unwrap();
        assert_eq!(index.jaccard("a b c d e f", "x b c d e f"), 4.0 / 6.0);
    }

    /// The estimates of many pairs lie as a binomial share of their true similarity.
    #[test]
    fn estimates_have_the_binomial_error() {
        let permutations = 200;
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        for pair in 0..150 {
            let config = NearDuplicatesConfig::new()
                .with_shingle(1)
                .with_permutations(permutations)
                .with_seed(pair as u64 / 10);
            let index = config.init().unwrap();
            let (base, size) = (pair * 1_000, 60 + pair);
            let apart = 1 + pair * 7 % (size - 10);
            let one = words(base, base + size);
            let other = words(base + apart, base + apart + size);
            let truth = index.jaccard(&one, &other);
            let shared = (size - apart) as f64;
            assert!((truth - shared / (2.0 * size as f64 - shared)).abs() < 1e-12);
            let estimate = index.estimate(&index.signature(&one), &index.signature(&other));
            let error = (truth * (1.0 - truth) / permutations as f64).sqrt();
            let z = (estimate - truth) / error;
            assert!(z.abs() < 4.5, "{pair}: {estimate} for {truth}");
            (sum, squares, count) = (sum + z, squares + z * z, count + 1.0);
        }
        let (mean, square) = (sum / count, squares / count);
        assert!(mean.abs() < 4.0 / f64::sqrt(count), "bias of {mean} errors");
        assert!((0.6..1.5).contains(&square), "variance {square}");
    }

    #[test]
    fn every_byte_and_the_order_of_tokens_tell() {
        let mut seen = std::collections::HashSet::new();
        for length in 0..40 {
            for byte in 0..length {
                let mut token = vec![b'a'; length];
                token[byte] = b'b';
                assert!(seen.insert(number(std::str::from_utf8(&token).unwrap())));
            }
            assert!(seen.insert(number(&"a".repeat(length))));
            assert!(length == 0 || seen.insert(number(&"\0".repeat(length))));
        }
    }

    /// Signatures that are kept stay comparable: a change of these numbers is a change of the format.
    #[test]
    fn signatures_are_the_same_everywhere() {
        let config = NearDuplicatesConfig::new().with_permutations(4);
        let index = config.with_threshold(0.9).init().unwrap();
        let signature = index.signature("the quick brown fox jumps over the lazy dog");
        assert_eq!(
            signature,
            [1_450_291_810, 2_081_843_613, 4_221_582_079, 304_623_780]
        );
        assert_eq!(
            index.band_keys(&signature),
            [14_525_222_159_788_409_207, 5_635_790_221_127_744_522]
        );
    }
}
