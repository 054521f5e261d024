//! # Resampling
//!
//! Particles drawn again by their shares.
//!
//! Source: multinomial, stratified and systematic resampling as in "Comparison of Resampling Schemes for Particle Filtering", Douc, Cappé and
//! Moulines 2005.

use rand::{Rng, RngExt};
use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check};

/// How particles are drawn by their shares; each gets `N p` copies in the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resampling {
    /// Independent draws.
    Multinomial,
    /// One draw in each of `N` equal parts of the line.
    Stratified,
    /// One draw for all parts: a particle gets `N p` copies, rounded down or up.
    #[default]
    Systematic,
}

impl Resampling {
    /// The places of `count` particles, in ascending order. A share of 0 is never drawn.
    ///
    /// ```
    /// use regimen_rl_rewards::search::Resampling;
    ///
    /// let mut rng = rand::rng();
    /// let drawn = Resampling::Systematic.draw(&[0.5, 0.0, 0.5], 4, &mut rng)?;
    /// assert_eq!(drawn, [0, 0, 2, 2]);
    /// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
    /// ```
    ///
    /// # Errors
    /// If a share is not finite or below 0, or all are 0.
    pub fn draw(self, shares: &[f64], count: usize, rng: &mut impl Rng) -> Result<Vec<usize>> {
        match self {
            Self::Multinomial => {
                let mut all: Vec<f64> = (0..count).map(|_| rng.random()).collect();
                all.sort_by(f64::total_cmp);
                places(shares, all.into_iter())
            }
            Self::Stratified => {
                let all: Vec<f64> = (0..count).map(|_| rng.random()).collect();
                let all = all.into_iter().enumerate();
                places(shares, all.map(|(k, u)| (k as f64 + u) / count as f64))
            }
            Self::Systematic => systematic(shares, count, rng.random()),
        }
    }
}

/// Systematic resampling by a number `u` from 0 to below 1: positions `(k + u) / count`.
fn systematic(shares: &[f64], count: usize, u: f64) -> Result<Vec<usize>> {
    places(shares, (0..count).map(|k| (k as f64 + u) / count as f64))
}

/// The place whose part of the line from 0 to 1 holds each of ascending positions: from the sum of the shares before it to below that with its own.
fn places(shares: &[f64], positions: impl Iterator<Item = f64>) -> Result<Vec<usize>> {
    for share in shares {
        check("share", *share, *share >= 0.0, "finite, 0 or more")?;
    }
    let last = shares.iter().rposition(|share| *share > 0.0);
    let last = last.ok_or_else(|| RlRewardsError::OutOfRange {
        field: "shares",
        value: "all 0".into(),
        allowed: "one above 0",
    })?;
    let sum: f64 = shares.iter().sum();
    check("shares", sum, true, "a finite sum")?;
    let (mut place, mut upto) = (0, shares[0]);
    let of = |position: f64| {
        // The last share above 0 holds all that rounding leaves.
        while place < last && position * sum >= upto {
            place += 1;
            upto += shares[place];
        }
        place
    };
    Ok(positions.map(of).collect())
}

impl Checked for Resampling {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const ALL: [Resampling; 3] = [
        Resampling::Multinomial,
        Resampling::Stratified,
        Resampling::Systematic,
    ];

    #[test]
    fn positions_of_systematic_draws() {
        for (shares, u, drawn) in [
            ([0.1, 0.2, 0.3, 0.4], 0.5, [1, 2, 3, 3]),
            ([0.1, 0.2, 0.3, 0.4], 0.1, [0, 1, 2, 3]),
            ([0.7, 0.1, 0.1, 0.1], 0.5, [0, 0, 0, 2]),
            ([0.25; 4], 0.9, [0, 1, 2, 3]),
            ([0.0, 0.5, 0.0, 0.5], 0.0, [1, 1, 3, 3]),
        ] {
            assert_eq!(systematic(&shares, 4, u).unwrap(), drawn);
        }
    }

    /// Counts over many draws against the shares: chi-squared at one in a million, three degrees of freedom.
    #[test]
    fn draws_are_unbiased() {
        let shares = [0.05, 0.15, 0.3, 0.5];
        for resampling in ALL {
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let (rounds, mut counts) = (40_000, [0.0; 4]);
            for _ in 0..rounds {
                // One a round, so that the draws of a round do not lean on each other.
                let drawn = resampling.draw(&shares, 7, &mut rng).unwrap();
                let chosen = drawn[rng.random_range(0..7)];
                counts[chosen] += 1.0;
            }
            let expected = shares.map(|share| share * f64::from(rounds));
            let terms = counts.iter().zip(expected);
            let chi: f64 = terms.map(|(found, of)| (found - of).powi(2) / of).sum();
            assert!(chi < 30.7, "{resampling:?} {counts:?}");
        }
    }

    proptest! {
        #[test]
        fn a_share_gets_its_copies(
            weights in proptest::collection::vec(0.0..1.0_f64, 1..30), count in 1..50_usize, seed: u64,
        ) {
            let sum: f64 = weights.iter().sum();
            prop_assume!(sum > 0.0);
            for resampling in ALL {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let drawn = resampling.draw(&weights, count, &mut rng).unwrap();
                prop_assert_eq!(drawn.len(), count);
                prop_assert!(drawn.is_sorted());
                for (place, weight) in weights.iter().enumerate() {
                    let copies = drawn.iter().filter(|one| **one == place).count() as f64;
                    let exact = count as f64 * weight / sum;
                    prop_assert!(*weight > 0.0 || copies == 0.0);
                    let far = if resampling == Resampling::Systematic { 1.0 } else { 2.0 };
                    let near = (copies - exact).abs() < far + 1e-9;
                    prop_assert!(near || resampling == Resampling::Multinomial);
                }
            }
        }
    }

    #[test]
    fn what_can_not_be_drawn_from_is_refused() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for shares in [
            &[][..],
            &[0.0, 0.0],
            &[-0.1, 1.1],
            &[f64::NAN],
            &[f64::MAX, f64::MAX],
        ] {
            assert!(Resampling::Systematic.draw(shares, 3, &mut rng).is_err());
        }
    }
}
