//! # Reservoir
//!
//! A uniform sample of a stream of unknown length.
//!
//! Source: Vitter, "Random sampling with a reservoir" (ACM TOMS 11, 1985), algorithm R.

use rand::{Rng, RngExt};

/// The place that an example takes in a full reservoir of `len`, if it is kept: `seen` examples came before it.
///
/// The number is drawn from `0..=seen`, so that the example itself counts.
pub(super) fn place(len: usize, seen: u64, rng: &mut impl Rng) -> Option<usize> {
    taken(len, rng.random_range(0..=seen))
}

fn taken(len: usize, drawn: u64) -> Option<usize> {
    usize::try_from(drawn).ok().filter(|place| *place < len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All draws of 5 examples into a reservoir of 2: each is kept in as many of them.
    #[test]
    fn every_example_is_kept_in_two_of_five_cases() {
        let mut kept = [0; 5];
        let mut cases = 0;
        for second in 0..=2 {
            for third in 0..=3 {
                for fourth in 0..=4 {
                    let mut reservoir = [0, 1];
                    for (example, drawn) in [(2, second), (3, third), (4, fourth)] {
                        if let Some(place) = taken(2, drawn) {
                            reservoir[place] = example;
                        }
                    }
                    cases += 1;
                    reservoir
                        .into_iter()
                        .for_each(|example: usize| kept[example] += 1);
                }
            }
        }
        assert_eq!((cases, kept), (60, [24; 5]));
    }
}
