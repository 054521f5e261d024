//! Examples that are gone through in rounds, and how many each of several domains gives.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// The examples of a domain in the order of this round, and how far it was gone through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deck {
    pub(super) ids: Vec<usize>,
    pub(super) taken: usize,
}

impl Deck {
    /// The next examples, none of them twice; of so many at most as there are.
    pub(super) fn draw(&mut self, wanted: usize, rng: &mut impl Rng) -> Vec<usize> {
        let first = (self.ids.len() - self.taken).min(wanted);
        let mut drawn = self.ids[self.taken..self.taken + first].to_vec();
        self.taken += first;
        let more = (wanted - first).min(self.ids.len() - first);
        if more > 0 {
            // The next round, where those of this epoch come last.
            self.ids.shuffle(rng);
            drawn.sort_unstable();
            let (fresh, again): (Vec<_>, Vec<_>) = self
                .ids
                .iter()
                .partition(|id| drawn.binary_search(id).is_err());
            drawn.extend(&fresh[..more]);
            self.ids = [fresh, again].concat();
            self.taken = more;
        }
        drawn
    }
}

/// Weights over their sum; all 0 stay 0.
pub(super) fn shares(weights: &[f64]) -> Vec<f64> {
    // By the largest first, so that the sum does not overflow.
    let largest = weights.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return vec![0.0; weights.len()];
    }
    let sum: f64 = weights.iter().map(|weight| weight / largest).sum();
    weights
        .iter()
        .map(|weight| weight / largest / sum)
        .collect()
}

/// Whole numbers that sum to `length` in these shares, none above its size: what a full domain can't give, the others share.
pub(super) fn counts(shares: &[f64], sizes: &[usize], length: usize) -> Vec<usize> {
    let mut counts = vec![0; shares.len()];
    let mut open: Vec<usize> = (0..shares.len())
        .filter(|domain| shares[*domain] > 0.0 && sizes[*domain] > 0)
        .collect();
    let mut left = length;
    loop {
        let sum: f64 = open.iter().map(|domain| shares[*domain]).sum();
        let wanted = |domain: &usize| left as f64 * shares[*domain] / sum;
        let (full, others): (Vec<usize>, Vec<usize>) = open
            .iter()
            .partition(|domain| wanted(domain) >= sizes[**domain] as f64);
        if full.is_empty() {
            let parts: Vec<(usize, f64)> = open.iter().map(|one| (*one, wanted(one))).collect();
            largest_remainders(&parts, left, &mut counts);
            return counts;
        }
        for domain in full {
            counts[domain] = sizes[domain].min(left);
            left -= counts[domain];
        }
        open = others;
    }
}

/// Each part rounded down, and one more for those with the largest remainders, the first of equal ones.
fn largest_remainders(parts: &[(usize, f64)], length: usize, counts: &mut [usize]) {
    let mut left = length;
    for (domain, part) in parts {
        counts[*domain] = (*part as usize).min(left);
        left -= counts[*domain];
    }
    let mut order: Vec<&(usize, f64)> = parts.iter().collect();
    order.sort_by(|a, b| b.1.fract().total_cmp(&a.1.fract()).then(a.0.cmp(&b.0)));
    for (domain, _) in order.into_iter().take(left) {
        counts[*domain] += 1;
    }
}
