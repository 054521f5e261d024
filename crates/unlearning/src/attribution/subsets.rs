//! # Subsets
//!
//! Random training subsets, drawn once and shared by all evaluation points.
//!
//! Source: Ilyas, Park, Engstrom, Leclerc and Madry, "Datamodels", ICML 2022, section 2: subsets of one size.

use burn::config::Config;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use crate::error::{Result, UnlearningError, check, count};

/// How training subsets are drawn.
///
/// | field | default | range |
/// |---|---|---|
/// | `subsets` | required | 1 or more, and `subsets * (members + 8)` at most 2^28: 2 GiB |
/// | `fraction` | 0.5 | between 0 and 1, both excluded; a subset holds neither nothing nor all |
/// | `seed` | 0 | any |
#[derive(Config, Debug, PartialEq)]
pub struct SubsetsConfig {
    /// How many subsets, and with them models to train.
    pub subsets: usize,
    /// The share of the training points in a subset.
    #[config(default = 0.5)]
    pub fraction: f64,
    /// Seed of the draw.
    #[config(default = 0)]
    pub seed: u64,
}

/// Words of 8 bytes that all subsets may take.
const MOST: usize = 1 << 28;

impl SubsetsConfig {
    /// Draws the subsets of `points` training points, each of `round(fraction * points)`.
    ///
    /// Subset `i` depends only on the seed, `points`, `fraction` and `i`: asking for more subsets
    /// later keeps those that are there.
    ///
    /// # Errors
    /// If there is no subset, a subset would hold nothing or everything, or all of them would take more than 2 GiB: draw such designs in parts,
    /// with a seed each, and join them by [`Subsets::from_members`].
    pub fn init(&self, points: usize) -> Result<Subsets> {
        let size = (self.fraction * points as f64).round();
        count("subsets", self.subsets, self.subsets > 0, "1 or more")?;
        let proper = size >= 1.0 && size < points as f64;
        let allowed = "such that a subset holds neither nothing nor all";
        check("fraction", self.fraction, proper, allowed)?;
        let words = self
            .subsets
            .saturating_mul((size as usize).saturating_add(8));
        let allowed = "so many that `subsets * (members + 8)` is at most 2^28";
        count("subsets", self.subsets, words <= MOST, allowed)?;
        let draw = |subset: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(subset as u64);
            let mut members = index::sample(&mut rng, points, size as usize).into_vec();
            members.sort_unstable();
            members
        };
        let members = (0..self.subsets).map(draw).collect();
        Ok(Subsets { points, members })
    }
}

/// Subsets of training points: which model was trained on what.
///
/// ```
/// use regimen_unlearning::SubsetsConfig;
///
/// let subsets = SubsetsConfig::new(100).with_seed(7).init(40)?;
/// assert_eq!((subsets.len(), subsets.members(0).len()), (100, 20));
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Subsets {
    points: usize,
    members: Vec<Vec<usize>>,
}

regimen_tensor::checked_serde!(Subsets);

impl Checked for Subsets {
    type Error = UnlearningError;

    /// As [`from_members`](Self::from_members); members ascend.
    fn check(&self) -> Result<()> {
        count("subsets", 0, !self.members.is_empty(), "1 or more")?;
        for subset in &self.members {
            let last = subset.last().copied().unwrap_or(0);
            let wrong = subset.windows(2).find(|pair| pair[0] >= pair[1]);
            let good = wrong.is_none() && (subset.is_empty() || last < self.points);
            let wrong = wrong.map_or(last, |pair| pair[0]);
            count("member", wrong, good, "below `points`, and only once")?;
        }
        Ok(())
    }
}

impl Subsets {
    /// Subsets that were drawn elsewhere, of `points` training points.
    ///
    /// # Errors
    /// If there is none, or one names a point twice or one that is not there.
    pub fn from_members(points: usize, mut members: Vec<Vec<usize>>) -> Result<Self> {
        members.iter_mut().for_each(|subset| subset.sort_unstable());
        Self { points, members }.checked()
    }

    /// The number of subsets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no subset; never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The number of training points that subsets are drawn from.
    #[must_use]
    pub fn points(&self) -> usize {
        self.points
    }

    /// The training points of a subset, ascending; none if there is no such subset.
    #[must_use]
    pub fn members(&self, subset: usize) -> &[usize] {
        self.members.get(subset).map_or(&[], Vec::as_slice)
    }

    /// All subsets.
    pub fn iter(&self) -> impl Iterator<Item = &[usize]> {
        self.members.iter().map(Vec::as_slice)
    }

    /// The first `count` subsets, and the others, to fit on the ones and judge on the others.
    ///
    /// # Errors
    /// If either part would be empty.
    pub fn split_at(&self, count: usize) -> Result<(Self, Self)> {
        let good = count > 0 && count < self.len();
        check(
            "count",
            count as f64,
            good,
            "above 0 and below the number of subsets",
        )?;
        let part = |members: &[Vec<usize>]| Self {
            points: self.points,
            members: members.to_vec(),
        };
        let (first, rest) = self.members.split_at(count);
        Ok((part(first), part(rest)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn more_subsets_keep_the_first() {
        let few = SubsetsConfig::new(5).with_seed(3).init(30).unwrap();
        let many = SubsetsConfig::new(9).with_seed(3).init(30).unwrap();
        assert!(few.iter().zip(many.iter()).all(|(a, b)| a == b));
        assert_ne!(many.members(0), many.members(1));
        let (first, rest) = many.split_at(5).unwrap();
        assert_eq!(first, few);
        assert_eq!(rest.members(0), many.members(5));
    }

    #[test]
    fn bad_designs_are_named() {
        let error = SubsetsConfig::new(0).init(10).unwrap_err();
        assert_eq!(error.to_string(), "`subsets` is 0: allowed is 1 or more");
        for fraction in [0.0, 1.0, f64::NAN, -0.5, 2.0] {
            assert!(
                SubsetsConfig::new(1)
                    .with_fraction(fraction)
                    .init(10)
                    .is_err()
            );
        }
        assert!(Subsets::from_members(3, vec![vec![0, 0]]).is_err());
        assert!(Subsets::from_members(3, vec![vec![3]]).is_err());
        assert!(Subsets::from_members(3, vec![]).is_err());
        assert!(SubsetsConfig::new(2).init(4).unwrap().split_at(2).is_err());
    }
}
