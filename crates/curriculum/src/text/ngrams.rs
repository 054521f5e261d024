//! Maps by words, and counts of n-grams.

use std::collections::HashMap;

/// By a hash that is quick for short keys.
pub(super) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// How often each stretch of `n` tokens occurs; nothing for `n` 0.
pub(super) fn counts(tokens: &[String], n: usize) -> HashMap<&[String], usize> {
    let mut counts = HashMap::new();
    if n > 0 {
        for gram in tokens.windows(n) {
            *counts.entry(gram).or_default() += 1;
        }
    }
    counts
}

/// How many both have, each as often as both have it.
pub(super) fn common(a: &HashMap<&[String], usize>, b: &HashMap<&[String], usize>) -> usize {
    let counts = a
        .iter()
        .map(|(gram, count)| b.get(gram).map_or(0, |other| *count.min(other)));
    counts.sum()
}
