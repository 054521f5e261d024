//! Generators that follow from a few numbers, whatever else is drawn.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator of four numbers.
pub(crate) fn keyed(parts: [u64; 4]) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    for (part, place) in parts.iter().zip(bytes.chunks_exact_mut(8)) {
        place.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

/// A number of four numbers, where a generator would cost more than what is drawn with it.
pub(crate) fn mixed(parts: [u64; 4]) -> u64 {
    let step = |state: u64, part: u64| split_mix(state.wrapping_add(part));
    parts.into_iter().fold(0, step)
}

/// The number that SplitMix64 gives in a state: Steele, Lea and Flood 2014.
fn split_mix(state: u64) -> u64 {
    let next = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let next = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let next = (next ^ (next >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    next ^ (next >> 31)
}

/// A number for some tokens, the same wherever they stand: FNV-1a.
pub(crate) fn key(tokens: &[u32]) -> u64 {
    let bytes = tokens.iter().flat_map(|token| token.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The first number from the seed 1234567, as the authors' code gives it.
    #[test]
    fn a_step_is_that_of_split_mix() {
        assert_eq!(split_mix(1_234_567), 6_457_827_717_110_365_317);
        let of_two = split_mix(split_mix(7).wrapping_add(8));
        assert_eq!(
            mixed([7, 8, 9, 10]),
            split_mix(split_mix(of_two.wrapping_add(9)).wrapping_add(10))
        );
    }

    /// Neighbouring rounds and places share no number, and each bit is set in half of them.
    #[test]
    fn neighbours_are_spread() {
        let all = (0..200_u64)
            .flat_map(|round| (0..200_u64).map(move |place| mixed([3, 5, round, place])));
        let all: Vec<u64> = all.collect();
        let different: std::collections::BTreeSet<u64> = all.iter().copied().collect();
        assert_eq!(different.len(), all.len());
        for bit in 0..64 {
            let set = all.iter().filter(|one| (*one >> bit) & 1 == 1).count() as f64;
            // Five standard deviations of a fair coin.
            assert!((set - 20_000.0).abs() < 5.0 * 100.0, "{bit} {set}");
        }
    }
}
