//! # Hypotheses
//!
//! How hard it is to find the best of several sets of noisy quantities: the complexity of a problem, and a cheap bound on it.
//!
//! Source: Zhang, Jain and Jamieson, "Learning to Actively Learn: A Robust Approach", arXiv 2010.15382; the complexity is that of linear bandits, arXiv
//! 1906.08399, computed as there

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check, count};

/// Sets at most, and queries at most.
const SETS: usize = 1 << 16;
const QUERIES: usize = 1 << 12;

/// Sets of queries, of which the one with the largest sum of means is searched by noisy observations of single queries.
///
/// ```
/// use regimen_curriculum::active::robust::Hypotheses;
///
/// let arms = Hypotheses::best_arm(3)?;
/// let means = [1.0, 0.5, 0.2];
/// assert_eq!(arms.best(&means)?, 0);
/// assert!((arms.surrogate(&means)? - 19.125).abs() < 1e-9);
/// assert!((arms.complexity(&means, 5000)? - 17.9383).abs() < 0.01);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Hypotheses {
    sets: Vec<Vec<bool>>,
}

checked_serde!(Hypotheses);

impl Checked for Hypotheses {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let (sets, queries) = (self.sets.len(), self.queries());
        count("sets", sets, (2..=SETS).contains(&sets), "2 to 65536")?;
        count(
            "queries",
            queries,
            (1..=QUERIES).contains(&queries),
            "1 to 4096",
        )?;
        for set in &self.sets {
            count(
                "sets",
                set.len(),
                set.len() == queries,
                "all over the same queries",
            )?;
        }
        let mut sorted: Vec<&Vec<bool>> = self.sets.iter().collect();
        sorted.sort_unstable();
        let same = sorted.windows(2).any(|pair| pair[0] == pair[1]);
        count("sets", sets, !same, "different from each other")
    }
}

impl Hypotheses {
    /// From sets, each a flag for every query.
    ///
    /// # Errors
    /// If there are not 2 to 65,536 sets of 1 to 4,096 queries, two are the same, or they differ in length.
    pub fn new(sets: Vec<Vec<bool>>) -> Result<Self> {
        Self { sets }.checked()
    }

    /// Best-arm identification: each set is one arm.
    ///
    /// # Errors
    /// If there are not 2 to 4,096 arms.
    pub fn best_arm(arms: usize) -> Result<Self> {
        Self::top(arms, 1)
    }

    /// The best `size` of so many arms.
    ///
    /// # Errors
    /// If there are more than 65,536 such sets, or none but one.
    pub fn top(arms: usize, size: usize) -> Result<Self> {
        count("arms", arms, arms <= QUERIES, "up to 4096")?;
        count("size", size, size <= arms, "up to the number of arms")?;
        let factors = (0..size).map(|place| (arms - place) as f64 / (place + 1) as f64);
        let sets: f64 = factors.product();
        check(
            "size",
            size as f64,
            sets < SETS as f64 + 0.5,
            "up to 65536 sets in all",
        )?;
        let mut found = Vec::new();
        chosen(&mut vec![false; arms], 0, size, &mut found);
        Self::new(found)
    }

    /// Thresholds on a line: the first `k` of so many points, for every `k` from 0.
    ///
    /// # Errors
    /// If there are not 1 to 4,096 points.
    pub fn thresholds(points: usize) -> Result<Self> {
        count(
            "points",
            points,
            (1..=QUERIES).contains(&points),
            "1 to 4096",
        )?;
        let set = |k: usize| (0..points).map(|point| point < k).collect();
        Self::new((0..=points).map(set).collect())
    }

    /// Queries.
    #[must_use]
    pub fn queries(&self) -> usize {
        self.sets.first().map_or(0, Vec::len)
    }

    /// The sets.
    #[must_use]
    pub fn sets(&self) -> &[Vec<bool>] {
        &self.sets
    }

    fn sum(set: &[bool], means: &[f64]) -> f64 {
        let each = set.iter().zip(means);
        each.map(|(is_in, mean)| if *is_in { *mean } else { 0.0 })
            .sum()
    }

    /// The set with the largest sum, the first of several.
    ///
    /// # Errors
    /// If there is not one mean a query, or one is not finite or above 1e100.
    pub fn best(&self, means: &[f64]) -> Result<usize> {
        count(
            "means",
            means.len(),
            means.len() == self.queries(),
            "one a query",
        )?;
        for mean in means {
            check("means", *mean, mean.abs() <= 1e100, "finite, up to 1e100")?;
        }
        let sums: Vec<f64> = self.sets.iter().map(|set| Self::sum(set, means)).collect();
        let places = 0..sums.len();
        Ok(places
            .reduce(|best, next| if sums[next] > sums[best] { next } else { best })
            .unwrap_or(0))
    }

    /// The queries in which each other set differs from the best one, and the gap between their sums.
    fn rivals(&self, means: &[f64]) -> Result<Vec<(Vec<usize>, f64)>> {
        let best = self.best(means)?;
        let top = Self::sum(&self.sets[best], means);
        let others = self
            .sets
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != best);
        let rivals = others.map(|(_, set)| {
            let gap = top - Self::sum(set, means);
            let differs = set.iter().zip(&self.sets[best]).enumerate();
            let differs = differs.filter(|(_, (a, b))| a != b);
            (differs.map(|(query, _)| query).collect(), gap)
        });
        let rivals: Vec<(Vec<usize>, f64)> = rivals.collect();
        let least = rivals
            .iter()
            .map(|(_, gap)| *gap)
            .fold(f64::INFINITY, f64::min);
        check(
            "means",
            least,
            least > 1e-100,
            "without a tie for the best set",
        )?;
        Ok(rivals)
    }

    /// The complexity: the least over shares `lambda` of the queries of the largest, over rivals of the best set, of the sum of `1 / lambda` over the queries
    /// in which they differ, divided by the squared gap. With unit noise, about so many observations are needed.
    ///
    /// By so many steps of the Frank-Wolfe method, of which the least value is kept: 5,000 are within .05 % on small problems.
    ///
    /// # Errors
    /// As for [`best`](Self::best), or if the best set is tied, or `steps` is 0 or over a million.
    pub fn complexity(&self, means: &[f64], steps: usize) -> Result<f64> {
        let rivals = self.rivals(means)?;
        let value = |differs: &[usize], gap: f64, shares: &[f64]| {
            let spread: f64 = differs.iter().map(|query| 1.0 / shares[*query]).sum();
            spread / gap / gap
        };
        least_of_largest(self.queries(), &rivals, steps, value)
    }

    /// The bound on the complexity that is used in training: the sum over queries of the largest, over rivals that differ in the query, of the number of
    /// queries in which they differ, divided by the squared gap. It is never below the complexity, and falls with the square of the scale of the means.
    ///
    /// # Errors
    /// As for [`best`](Self::best), or if the best set is tied.
    pub fn surrogate(&self, means: &[f64]) -> Result<f64> {
        let rivals = self.rivals(means)?;
        let mut largest = vec![0.0_f64; self.queries()];
        for (differs, gap) in &rivals {
            let value = differs.len() as f64 / gap / gap;
            for query in differs {
                largest[*query] = largest[*query].max(value);
            }
        }
        Ok(largest.iter().sum())
    }

    /// The means at another scale, so that the bound on the complexity is `level`.
    ///
    /// # Errors
    /// As for [`surrogate`](Self::surrogate), or if the level is not above 0.
    pub fn at_level(&self, means: &[f64], level: f64) -> Result<Vec<f64>> {
        check("level", level, level > 0.0, "above 0")?;
        let scale = (self.surrogate(means)? / level).sqrt();
        Ok(means.iter().map(|mean| mean * scale).collect())
    }
}

/// All sets of `left` more of the queries from `from` on.
fn chosen(set: &mut Vec<bool>, from: usize, left: usize, found: &mut Vec<Vec<bool>>) {
    if left == 0 {
        found.push(set.clone());
        return;
    }
    for query in from..set.len() {
        if set.len() - query < left {
            break;
        }
        set[query] = true;
        chosen(set, query + 1, left - 1, found);
        set[query] = false;
    }
}

/// The least over shares of the largest value over rivals, by Frank-Wolfe steps towards the query of the largest rival that has the least share.
pub(super) fn least_of_largest(
    queries: usize,
    rivals: &[(Vec<usize>, f64)],
    steps: usize,
    value: impl Fn(&[usize], f64, &[f64]) -> f64,
) -> Result<f64> {
    count(
        "steps",
        steps,
        (1..=1_000_000).contains(&steps),
        "1 to 1000000",
    )?;
    let mut shares = vec![1.0 / queries as f64; queries];
    let mut least = f64::INFINITY;
    for step in 1..=steps {
        let values = rivals
            .iter()
            .map(|(differs, gap)| value(differs, *gap, &shares));
        let largest = values
            .enumerate()
            .fold((0, f64::NEG_INFINITY), |best, next| {
                if next.1 > best.1 { next } else { best }
            });
        least = least.min(largest.1);
        let differs = &rivals[largest.0].0;
        let lowest = differs.iter().copied();
        let lowest = lowest.reduce(|best, next| {
            if shares[next] < shares[best] {
                next
            } else {
                best
            }
        });
        let weight = 2.0 / (step as f64 + 2.0);
        shares.iter_mut().for_each(|share| *share *= 1.0 - weight);
        if let Some(query) = lowest {
            shares[query] += weight;
        }
    }
    Ok(least)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn complexities_of_the_check_values() {
        let arms = Hypotheses::best_arm(3).unwrap();
        let two = Hypotheses::best_arm(2).unwrap();
        let line = Hypotheses::thresholds(4).unwrap();
        let top = Hypotheses::top(4, 2).unwrap();
        for (sets, means, surrogate, complexity) in [
            (&arms, vec![1.0, 0.5, 0.2], 19.125, 17.9383),
            (&two, vec![0.5, 0.0], 16.0, 16.0),
            (&line, vec![0.3, 0.3, -0.3, -0.3], 33.3333, 29.6296),
            (&line, vec![0.3, 0.1, -0.2, -0.4], 143.0556, 134.7917),
            (&top, vec![1.0, 0.8, 0.3, 0.1], 24.1633, 21.4795),
        ] {
            assert_relative_eq!(
                sets.surrogate(&means).unwrap(),
                surrogate,
                max_relative = 1e-5
            );
            let found = sets.complexity(&means, 5000).unwrap();
            assert_relative_eq!(found, complexity, max_relative = 6e-4);
        }
    }

    #[test]
    fn a_tie_has_no_complexity() {
        let arms = Hypotheses::best_arm(3).unwrap();
        assert!(arms.surrogate(&[1.0, 1.0, 0.0]).is_err());
        assert!(Hypotheses::best_arm(1).is_err() && Hypotheses::top(60, 30).is_err());
    }

    proptest! {
        /// The bound holds, falls with the square of the scale, and a level is met.
        #[test]
        fn the_bound_is_one(means in prop::collection::vec(-2.0..2.0_f64, 5), level in 1.0..300.0_f64) {
            for sets in [Hypotheses::best_arm(5).unwrap(), Hypotheses::thresholds(5).unwrap(), Hypotheses::top(5, 2).unwrap()] {
                let Ok(bound) = sets.surrogate(&means) else { continue };
                prop_assert!(sets.complexity(&means, 3000).unwrap() <= bound * 1.002);
                let double: Vec<f64> = means.iter().map(|mean| 2.0 * mean).collect();
                prop_assert!((sets.surrogate(&double).unwrap() / bound - 0.25).abs() < 1e-9);
                let placed = sets.at_level(&means, level).unwrap();
                prop_assert!((sets.surrogate(&placed).unwrap() / level - 1.0).abs() < 1e-6);
            }
        }

        #[test]
        fn best_arms_have_a_closed_form(means in prop::collection::vec(-2.0..2.0_f64, 4)) {
            let arms = Hypotheses::best_arm(4).unwrap();
            let best = arms.best(&means).unwrap();
            let gaps: Vec<f64> = (0..4).filter(|arm| *arm != best).map(|arm| means[best] - means[arm]).collect();
            let least = gaps.iter().copied().fold(f64::INFINITY, f64::min);
            prop_assume!(least > 1e-6);
            let expected = gaps.iter().map(|gap| 2.0 / gap / gap).sum::<f64>() + 2.0 / least / least;
            prop_assert!((arms.surrogate(&means).unwrap() / expected - 1.0).abs() < 1e-9);
        }
    }
}
