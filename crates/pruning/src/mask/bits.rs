//! Flags as bits, 64 a word: how masks and histories are saved.

use rayon::prelude::*;

/// The words of some flags; the bits past the end are off.
pub(crate) fn pack(flags: &[bool]) -> Vec<u64> {
    let word = |flags: &[bool]| {
        let bits = flags.iter().enumerate();
        bits.fold(0, |word, (i, flag)| word | (u64::from(*flag) << i))
    };
    flags.par_chunks(64).map(word).collect()
}

/// The first `count` flags of some words, of which there are enough.
pub(crate) fn unpack(words: &[u64], count: usize) -> Vec<bool> {
    let flag = |i: usize| words[i / 64] >> (i % 64) & 1 == 1;
    (0..count).into_par_iter().map(flag).collect()
}
