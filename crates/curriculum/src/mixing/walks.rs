//! # MixtureWalk
//!
//! Mixtures of the runs that an agent learns from: one for a whole run, a random walk, or a straight way between two.
//!
//! Source: "Data Mixing Agent", arXiv 2507.15640 (trajectories by sampling heuristics, whose details are not known)

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::simplex::{check_many, dirichlet, softmax};
use super::trajectory::STEPS;
use crate::error::{Result, check, count};

/// How the mixtures of a run come about. All start at a uniform draw from all mixtures.
///
/// ```
/// use regimen_curriculum::mixing::MixtureWalk;
///
/// let plans = [MixtureWalk::Static, MixtureWalk::RandomWalk { spread: 0.7 }, MixtureWalk::Monotone];
/// for (seed, walk) in plans.iter().cycle().take(16).enumerate() {
///     let plan = walk.plan(2, 10, seed as u64)?; // ten steps over two domains
///     assert!(plan.iter().all(|weights| (weights[0] + weights[1] - 1.0).abs() < 1e-9));
/// }
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum MixtureWalk {
    /// The same in all steps.
    Static,
    /// Logarithms of weights move by normal steps.
    RandomWalk {
        /// Their standard deviation, 0 to 100.
        spread: f64,
    },
    /// In a straight line to another uniform draw: each domain's share only grows or only falls.
    Monotone,
}

/// Logarithms of weights of a walk are at least so far below the largest.
const LEAST: f64 = -12.0;

impl MixtureWalk {
    /// The mixture of each of so many steps, from this seed.
    ///
    /// # Errors
    /// If there is no domain or over 4096, no step or over 65536, over 2^24 weights in all, or the spread is not within 0 and 100.
    pub fn plan(&self, domains: usize, steps: usize, seed: u64) -> Result<Vec<Vec<f64>>> {
        check_many("domains", domains)?;
        let good = (1..=STEPS).contains(&steps) && steps.saturating_mul(domains) <= 1 << 24;
        count(
            "steps",
            steps,
            good,
            "1 to 65536, up to 2^24 weights in all",
        )?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let uniform = vec![1.0; domains];
        let first = dirichlet(&uniform, &mut rng)?;
        Ok(match self {
            Self::Static => vec![first; steps],
            Self::Monotone => {
                let last = dirichlet(&uniform, &mut rng)?;
                let between = |step: usize| {
                    let time = step as f64 / (steps - 1).max(1) as f64;
                    let pairs = first.iter().zip(&last);
                    let part = pairs.map(|(from, to)| from + time * (to - from));
                    part.collect()
                };
                (0..steps).map(between).collect()
            }
            Self::RandomWalk { spread } => {
                let good = (0.0..=100.0).contains(spread);
                check("spread", *spread, good, "0 to 100")?;
                let mut logits: Vec<f64> = first.iter().map(|weight| weight.ln()).collect();
                let mut plan = Vec::with_capacity(steps);
                for _ in 0..steps {
                    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    for logit in &mut logits {
                        *logit = (*logit - largest).max(LEAST);
                    }
                    plan.push(softmax(&logits));
                    for logit in &mut logits {
                        let normal: f64 = StandardNormal.sample(&mut rng);
                        *logit += spread * normal;
                    }
                }
                plan
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::simplex::check_distribution;
    use super::*;

    proptest! {
        #[test]
        fn plans_are_distributions(domains in 1_usize..8, steps in 1_usize..12, seed: u64, spread in 0.0..100.0_f64) {
            for walk in [MixtureWalk::Static, MixtureWalk::Monotone, MixtureWalk::RandomWalk { spread }] {
                let plan = walk.plan(domains, steps, seed).unwrap();
                prop_assert_eq!(plan.len(), steps);
                for weights in &plan {
                    check_distribution("weights", weights).unwrap();
                }
                for domain in 0..domains {
                    let column: Vec<f64> = plan.iter().map(|weights| weights[domain]).collect();
                    let is_constant = column.windows(2).all(|pair| pair[0] == pair[1]);
                    let rises = column.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12);
                    let falls = column.windows(2).all(|pair| pair[0] + 1e-12 >= pair[1]);
                    match walk {
                        MixtureWalk::Static => prop_assert!(is_constant),
                        MixtureWalk::Monotone => prop_assert!(rises || falls),
                        MixtureWalk::RandomWalk { .. } => {}
                    }
                }
            }
        }
    }

    #[test]
    fn a_walk_moves_both_ways() {
        let walk = MixtureWalk::RandomWalk { spread: 0.5 };
        let plan = walk.plan(2, 200, 1).unwrap();
        let pairs = || plan.windows(2);
        let up = pairs().filter(|pair| pair[1][0] > pair[0][0]).count();
        assert!((60..140).contains(&up), "{up} of 199 steps go up");
    }
}
