//! # ClusterDraws
//!
//! Epochs of a fixed size with as many examples of each cluster: rare groups are trained on as often as common ones.
//!
//! Source: "Scalable and Equitable Math Problem Solving Strategy Prediction in Big Educational Data", arXiv 2308.03892: sampling per cluster

use rand::Rng;
use rand::seq::SliceRandom;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::clusters::members;
use crate::error::{CurriculumError, Result, check, check_examples, count, counted, same};
use crate::sampler::{EpochPlan, Sampler};
use crate::select::draw::{generator, shuffled};
use crate::select::part::part;
use crate::select::scores;

/// `budget` distinct examples, `floor(budget / clusters)` of each cluster or, where it has fewer, all that `share` of its members allows, rounded up; the
/// rest is drawn uniformly among what is left. In rising order.
///
/// # Errors
/// If there is no example or over 2^28, a cluster is numbered 2^28 or more, the budget is 0 or more than the examples, or the share outside of 0 to 1.
pub fn equal_draws(
    assignment: &[usize],
    budget: usize,
    share: f64,
    rng: &mut impl Rng,
) -> Result<Vec<usize>> {
    check_draws(assignment, budget, share)?;
    let mut left = Vec::new();
    let mut drawn = Vec::new();
    let members = named(assignment);
    let each = budget / members.len();
    for mut of in members {
        of.shuffle(rng);
        let most = (share * of.len() as f64).ceil() as usize;
        let rest = of.split_off(each.min(most).min(of.len()));
        drawn.append(&mut of);
        left.extend(rest);
    }
    left.shuffle(rng);
    left.truncate(budget - drawn.len());
    drawn.append(&mut left);
    drawn.sort_unstable();
    Ok(drawn)
}

/// The members of the clusters that have some.
fn named(assignment: &[usize]) -> Vec<Vec<usize>> {
    let mut names: Vec<usize> = assignment.to_vec();
    names.sort_unstable();
    names.dedup();
    let of = |cluster: &usize| names.binary_search(cluster).unwrap_or(0);
    let places: Vec<usize> = assignment.iter().map(of).collect();
    members(&places, names.len())
}

fn check_draws(assignment: &[usize], budget: usize, share: f64) -> Result<()> {
    check_examples(assignment.len())?;
    let good = (1..=assignment.len()).contains(&budget);
    count("budget", budget, good, "1 to the number of examples")?;
    let good = share > 0.0 && share <= 1.0;
    check("share", share, good, "above 0, up to 1")
}

/// Settings of [`ClusterDraws`].
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `budget` | | examples of an epoch, 1 or more |
/// | `share` | 1 | the largest share of a cluster that its equal draw may take, above 0: less than 1 keeps clusters of a few members from being drawn whole |
/// | `fixed` | true | the same examples in every epoch, a small training set; false: drawn anew |
/// | `seed` | 0 | of the draws and orders |
///
/// ```
/// use regimen_curriculum::Sampler;
/// use regimen_curriculum::ability::mastery::ClusterDrawsConfig;
///
/// // Ten examples of cluster 0, two of cluster 1.
/// let assignment = [0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0];
/// let mut sampler = ClusterDrawsConfig::new(4).init(&assignment)?;
/// let ids = sampler.plan().ids;
/// assert_eq!(ids.iter().filter(|id| assignment[**id] == 1).count(), 2);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ClusterDrawsConfig {
    budget: usize,
    share: f64,
    fixed: bool,
    seed: u64,
}

checked_serde!(ClusterDrawsConfig, ClusterDraws);

impl Checked for ClusterDrawsConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        count("budget", self.budget, self.budget > 0, "1 or more")?;
        let good = self.share > 0.0 && self.share <= 1.0;
        check("share", self.share, good, "above 0, up to 1")
    }
}

impl ClusterDrawsConfig {
    /// Epochs of so many examples.
    #[must_use]
    pub fn new(budget: usize) -> Self {
        Self {
            budget,
            share: 1.0,
            fixed: true,
            seed: 0,
        }
    }

    /// The largest share of a cluster that its equal draw may take.
    #[must_use]
    pub fn with_share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Whether every epoch has the same examples.
    #[must_use]
    pub fn with_fixed(mut self, fixed: bool) -> Self {
        self.fixed = fixed;
        self
    }

    /// Another seed of the draws and orders.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A sampler over the examples of these clusters, [`Clusters::assignment`](super::Clusters) or any other.
    ///
    /// # Errors
    /// If a setting lies outside its range, there is no example or over 2^28, or fewer than the budget.
    pub fn init(&self, assignment: &[usize]) -> Result<ClusterDraws> {
        let sampler = ClusterDraws {
            config: self.clone(),
            assignment: assignment.to_vec(),
            epoch: 0,
        };
        sampler.checked()
    }
}

/// Equal draws per cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ClusterDraws {
    config: ClusterDrawsConfig,
    assignment: Vec<usize>,
    epoch: usize,
}

impl Checked for ClusterDraws {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let ClusterDrawsConfig { budget, share, .. } = self.config;
        check_draws(&self.assignment, budget, share)?;
        counted("epoch", self.epoch)
    }
}

part!(ClusterDraws, "cluster draws 1");

impl Sampler for ClusterDraws {
    fn examples(&self) -> usize {
        self.assignment.len()
    }

    fn plan(&mut self) -> EpochPlan {
        self.epoch += 1;
        let ClusterDrawsConfig {
            budget,
            share,
            fixed,
            seed,
        } = self.config;
        let mut rng = generator(seed, if fixed { 0 } else { self.epoch });
        // The settings were checked when the sampler was made or read.
        let ids = equal_draws(&self.assignment, budget, share, &mut rng).unwrap_or_default();
        let mut rng = generator(seed ^ 1, self.epoch);
        EpochPlan::new(shuffled(ids, &mut rng))
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        scores::check(self.assignment.len(), ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("config", &self.config, &saved.config)?;
        let (own, saved) = (&self.assignment, &saved.assignment);
        same("examples", &own.len(), &saved.len())?;
        same("assignment", own, saved)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(ids: &[usize], assignment: &[usize], clusters: usize) -> Vec<usize> {
        let of = |cluster| ids.iter().filter(move |id| assignment[**id] == cluster);
        (0..clusters).map(|cluster| of(cluster).count()).collect()
    }

    #[test]
    fn equal_draws_with_a_remainder_and_a_cap() {
        let assignment: Vec<usize> = (0..100).map(|id| usize::from(id >= 90)).collect();
        let mut rng = generator(3, 0);
        let ids = equal_draws(&assignment, 15, 1.0, &mut rng).unwrap();
        let found = counts(&ids, &assignment, 2);
        assert!(found[0] >= 7 && found[1] >= 7 && ids.len() == 15);
        // A cluster that has fewer is taken whole; the rest is of the others.
        let ids = equal_draws(&assignment, 40, 1.0, &mut rng).unwrap();
        assert_eq!(counts(&ids, &assignment, 2), [30, 10]);
        // At most half of a cluster by the equal draw, five of ten.
        let ids = equal_draws(&assignment, 24, 0.5, &mut rng).unwrap();
        assert!(counts(&ids, &assignment, 2)[0] >= 12);
        assert!(equal_draws(&assignment, 101, 1.0, &mut rng).is_err());
    }

    #[test]
    fn the_same_examples_or_new_ones() {
        let assignment: Vec<usize> = (0..60).map(|id| id % 3).collect();
        let sorted = |mut ids: Vec<usize>| {
            ids.sort_unstable();
            ids
        };
        let config = ClusterDrawsConfig::new(12);
        let mut same = config.init(&assignment).unwrap();
        let (first, second) = (same.plan().ids, same.plan().ids);
        assert_ne!(first, second);
        assert_eq!(sorted(first), sorted(second));
        let mut anew = config.with_fixed(false).init(&assignment).unwrap();
        assert_ne!(sorted(anew.plan().ids), sorted(anew.plan().ids));
        assert_eq!(counts(&anew.plan().ids, &assignment, 3), [4, 4, 4]);
        assert!(ClusterDrawsConfig::new(61).init(&assignment).is_err());
    }

    proptest! {
        #[test]
        fn a_budget_is_met_by_distinct_examples(
            assignment in prop::collection::vec(0_usize..6, 1..80),
            budget in 1_usize..80,
            share in 0.1_f64..1.0,
            seed in 0_u64..99,
        ) {
            let budget = budget.min(assignment.len());
            let mut rng = generator(seed, 0);
            let ids = equal_draws(&assignment, budget, share, &mut rng).unwrap();
            prop_assert_eq!(ids.len(), budget);
            prop_assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
