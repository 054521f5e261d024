//! # PairSampleConfig
//!
//! Samples of what pairs of entities have done, a part of each pair of their clusters.
//!
//! Source: "Scalable and Equitable Math Problem Solving Strategy Prediction in Big Educational Data", arXiv 2308.03892, and its released code: clusters of
//! students and of problems

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::clusters::Clusters;
use crate::error::{CurriculumError, Result, count};

/// How many entities of each cluster are taken.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `first` | 50 | of each cluster of the first kind (students), all if it has fewer, 1 or more |
/// | `second` | 100 | of each cluster of the second kind (problems), 1 or more |
/// | `seed` | 0 | of the draws |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct PairSampleConfig {
    first: usize,
    second: usize,
    seed: u64,
}

checked_serde!(PairSampleConfig);

impl Default for PairSampleConfig {
    fn default() -> Self {
        Self {
            first: 50,
            second: 100,
            seed: 0,
        }
    }
}

impl Checked for PairSampleConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        count("first", self.first, self.first > 0, "1 or more")?;
        count("second", self.second, self.second > 0, "1 or more")
    }
}

/// The places of recorded pairs by the pair of clusters they belong to, each list in rising order; pairs of clusters without one are left out.
pub type PairedSample = BTreeMap<(usize, usize), Vec<usize>>;

impl PairSampleConfig {
    /// The released code's numbers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Entities of each cluster of the first kind.
    #[must_use]
    pub fn with_first(mut self, first: usize) -> Self {
        self.first = first;
        self
    }

    /// Entities of each cluster of the second kind.
    #[must_use]
    pub fn with_second(mut self, second: usize) -> Self {
        self.second = second;
        self
    }

    /// Another seed of the draws.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Samples the recorded pairs of which both entities were taken.
    ///
    /// ```
    /// use regimen_curriculum::ability::mastery::{DpMeansConfig, PairSampleConfig, Points};
    ///
    /// let students = DpMeansConfig::new(1.0).fit(&Points::of_rows(&[[0.0], [0.1], [5.0]])?)?;
    /// let problems = DpMeansConfig::new(1.0).fit(&Points::of_rows(&[[0.0], [9.0]])?)?;
    /// let recorded = [(0, 0), (1, 0), (2, 1), (1, 1)];
    /// let sample = PairSampleConfig::new().sample(&students, &problems, &recorded)?;
    /// assert_eq!(sample[&(0, 0)], [0, 1]);
    /// assert_eq!(sample.len(), 3);
    /// # Ok::<(), regimen_curriculum::CurriculumError>(())
    /// ```
    ///
    /// # Errors
    /// If a setting lies outside its range, or a pair names an entity without a cluster.
    pub fn sample(
        &self,
        first: &Clusters,
        second: &Clusters,
        recorded: &[(usize, usize)],
    ) -> Result<PairedSample> {
        self.check()?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut taken = |clusters: &Clusters, wanted: usize| {
            let mut is_taken = vec![false; clusters.assignment.len()];
            for mut of in clusters.members() {
                of.shuffle(&mut rng);
                of.iter().take(wanted).for_each(|one| is_taken[*one] = true);
            }
            is_taken
        };
        let takes = (taken(first, self.first), taken(second, self.second));
        let mut sample = PairedSample::new();
        for (place, (one, other)) in recorded.iter().enumerate() {
            for (id, all) in [(*one, takes.0.len()), (*other, takes.1.len())] {
                if id >= all {
                    return Err(CurriculumError::UnknownExample { id, examples: all });
                }
            }
            if takes.0[*one] && takes.1[*other] {
                let pair = (first.assignment[*one], second.assignment[*other]);
                sample.entry(pair).or_default().push(place);
            }
        }
        Ok(sample)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn clusters(assignment: &[usize]) -> Clusters {
        Clusters {
            centres: vec![vec![0.0]; 2],
            assignment: assignment.to_vec(),
            cost: 0.0,
            sweeps: 1,
        }
    }

    #[test]
    fn so_many_of_each_cluster() {
        let students = clusters(&[0, 0, 0, 0, 1]);
        let problems = clusters(&[0, 1, 1]);
        let recorded: Vec<(usize, usize)> = (0..15).map(|i| (i / 3, i % 3)).collect();
        let config = PairSampleConfig::new().with_first(2).with_second(1);
        let found = config.sample(&students, &problems, &recorded).unwrap();
        let counts: Vec<usize> = found.values().map(Vec::len).collect();
        assert_eq!(counts, [2, 2, 1, 1]);
        assert!(config.sample(&students, &problems, &[(5, 0)]).is_err());
        assert!(
            config
                .with_first(0)
                .sample(&students, &problems, &[])
                .is_err()
        );
    }
}
