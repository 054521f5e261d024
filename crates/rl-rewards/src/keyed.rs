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

/// A number for some tokens, the same wherever they stand: FNV-1a.
pub(crate) fn key(tokens: &[u32]) -> u64 {
    let bytes = tokens.iter().flat_map(|token| token.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
