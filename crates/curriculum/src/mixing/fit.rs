//! # MixtureFit
//!
//! A loss as a function of the mixture, fitted to runs with different mixtures: linear or quadratic, by ridge regression.
//!
//! Source: Scheffé 1958, "Experiments with Mixtures" (the canonical polynomials on a simplex), as RegMix fits losses of proxies, arXiv 2407.01492
//! (there trees and a linear fit)

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::linalg::{DMatrix, DVector, solve_spd};
use serde::{Deserialize, Serialize};

use super::lowest::lowest;
use super::simplex::{check_many, check_over, check_values};
use crate::error::{CurriculumError, Result, check, count};

/// The most numbers of a fit.
const FEATURES: usize = 1 << 12;

/// Configuration of a [`MixtureFit`].
///
/// | parameter | default | range |
/// |---|---|---|
/// | `quadratic` | true | whether products of two weights count; without them only the weights do |
/// | `ridge` | 1e-3 | above 0, up to 1e12: how strongly coefficients are held at the mean, in runs |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MixtureFitConfig {
    quadratic: bool,
    ridge: f64,
}

impl Default for MixtureFitConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl MixtureFitConfig {
    /// Quadratic, held by 1e-3 of a run.
    #[must_use]
    pub fn new() -> Self {
        Self {
            quadratic: true,
            ridge: 1e-3,
        }
    }

    /// Whether products of two weights count.
    #[must_use]
    pub fn with_quadratic(mut self, quadratic: bool) -> Self {
        self.quadratic = quadratic;
        self
    }

    /// How strongly coefficients are held: with few runs and many domains, take more.
    #[must_use]
    pub fn with_ridge(mut self, ridge: f64) -> Self {
        self.ridge = ridge;
        self
    }

    /// Fits the losses of runs to their mixtures; of a mixture that moved, give its mean over the run.
    ///
    /// # Errors
    /// If there are not as many losses as mixtures, fewer than two runs, a mixture is no distribution, a loss is not finite, a number lies
    /// outside its range, or there are over 4096 coefficients (90 domains, if quadratic).
    ///
    /// ```
    /// use regimen_curriculum::mixing::MixtureFitConfig;
    ///
    /// // The best share of three tries lies between them.
    /// let mixtures = [vec![0.2, 0.8], vec![0.5, 0.5], vec![0.8, 0.2]];
    /// let fit = MixtureFitConfig::new().with_ridge(1e-9).fit(&mixtures, &[2.1, 1.9, 2.3])?;
    /// let best = fit.lowest(10_000, 1, 0)?;
    /// assert!((best[0] - 0.45).abs() < 0.01);
    /// # Ok::<(), regimen_curriculum::CurriculumError>(())
    /// ```
    pub fn fit(&self, mixtures: &[Vec<f64>], losses: &[f64]) -> Result<MixtureFit> {
        check_values("losses", losses, mixtures.len())?;
        let found = mixtures.len();
        let Some(first) = mixtures.first().filter(|_| found > 1) else {
            let (field, needed) = ("mixtures", 2);
            return Err(CurriculumError::TooFew {
                field,
                found,
                needed,
            });
        };
        let domains = first.len();
        for mixture in mixtures {
            check_over("mixtures", mixture, domains)?;
        }
        let good = self.ridge > 0.0 && self.ridge <= 1e12;
        check("ridge", self.ridge, good, "above 0, up to 1e12")?;
        let number = features(domains, self.quadratic);
        let allowed = "at most 4096 coefficients: a fit that is not quadratic";
        count("domains", domains, number <= FEATURES, allowed)?;
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        let rows: Vec<Vec<f64>> = mixtures
            .iter()
            .map(|mixture| expanded(mixture, self.quadratic))
            .collect();
        let x = DMatrix::from_fn(rows.len(), number, |row, column| rows[row][column]);
        let y = DVector::from_iterator(losses.len(), losses.iter().map(|loss| loss - mean));
        let mut gram = x.tr_mul(&x);
        for place in 0..number {
            gram[(place, place)] += self.ridge;
        }
        let solved = solve_spd(gram, &x.tr_mul(&y));
        let solved = solved.map_err(|_| CurriculumError::OutOfRange {
            field: "ridge",
            value: self.ridge.to_string(),
            allowed: "more, so that the fit is determined",
        })?;
        let fit = MixtureFit {
            domains,
            mean,
            quadratic: self.quadratic,
            coefficients: solved.iter().copied().collect(),
        };
        fit.checked()
    }
}

/// A loss as a function of the mixture: `mean + sum_i b_i w_i + sum_{i < j} b_ij w_i w_j`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct MixtureFit {
    domains: usize,
    quadratic: bool,
    mean: f64,
    coefficients: Vec<f64>,
}

checked_serde!(MixtureFit);

impl Checked for MixtureFit {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_many("domains", self.domains)?;
        let number = features(self.domains, self.quadratic);
        check_values("coefficients", &self.coefficients, number)?;
        check_values("mean", &[self.mean], 1)
    }
}

impl MixtureFit {
    /// The loss at a mixture.
    ///
    /// # Errors
    /// If it is no distribution over the fit's domains.
    pub fn predict(&self, mixture: &[f64]) -> Result<f64> {
        check_over("mixture", mixture, self.domains)?;
        Ok(self.value(mixture))
    }

    pub(super) fn value(&self, mixture: &[f64]) -> f64 {
        let features = expanded(mixture, self.quadratic);
        let parts = features.iter().zip(&self.coefficients);
        self.mean + parts.map(|(feature, by)| feature * by).sum::<f64>()
    }

    /// The mean of the `best` mixtures with the lowest loss of so many uniform draws, corners among them.
    ///
    /// # Errors
    /// As [`RegMix::lowest`](super::RegMix::lowest).
    pub fn lowest(&self, draws: usize, best: usize, seed: u64) -> Result<Vec<f64>> {
        let uniform = vec![1.0; self.domains];
        lowest(|mixture| self.value(mixture), &uniform, draws, best, seed)
    }

    /// The number of domains.
    #[must_use]
    pub fn domains(&self) -> usize {
        self.domains
    }
}

fn features(domains: usize, quadratic: bool) -> usize {
    domains
        + if quadratic {
            domains * (domains - 1) / 2
        } else {
            0
        }
}

/// The weights and, if wanted, the products of two of them. Squares are not needed: weights sum to 1.
fn expanded(mixture: &[f64], quadratic: bool) -> Vec<f64> {
    let mut all = mixture.to_vec();
    if quadratic {
        for (place, weight) in mixture.iter().enumerate() {
            all.extend(mixture[place + 1..].iter().map(|other| weight * other));
        }
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Any quadratic function of the weights is fitted exactly.
        #[test]
        fn quadratic_functions_are_exact(values in prop::collection::vec(-5.0..5.0_f64, 9)) {
            let mut rng = rand_chacha::ChaCha8Rng::from_seed([1; 32]);
            let mixtures: Vec<Vec<f64>> = (0..30)
                .map(|_| super::super::simplex::dirichlet(&[1.0; 3], &mut rng).unwrap())
                .collect();
            let loss = |w: &Vec<f64>| {
                let pairs = (0..9).map(|at| values[at] * w[at / 3] * w[at % 3]);
                pairs.sum::<f64>()
            };
            let losses: Vec<f64> = mixtures.iter().map(loss).collect();
            let fit = MixtureFitConfig::new().with_ridge(1e-10).fit(&mixtures, &losses).unwrap();
            for mixture in &mixtures {
                prop_assert!((fit.predict(mixture).unwrap() - loss(mixture)).abs() < 1e-4);
            }
        }
    }

    use rand::SeedableRng;

    #[test]
    fn held_to_the_mean_it_predicts_the_mean() {
        let mixtures = [vec![1.0, 0.0], vec![0.0, 1.0]];
        let config = MixtureFitConfig::new().with_ridge(1e9);
        let fit = config.fit(&mixtures, &[1.0, 3.0]).unwrap();
        assert!((fit.predict(&[1.0, 0.0]).unwrap() - 2.0).abs() < 1e-6);
        let text = serde_json::to_string(&fit).unwrap();
        assert_eq!(serde_json::from_str::<MixtureFit>(&text).unwrap(), fit);
        assert!(config.fit(&mixtures[..1], &[1.0]).is_err());
        assert!(config.fit(&mixtures, &[1.0]).is_err());
        assert!(
            config
                .fit(&[vec![0.5, 0.6], vec![1.0, 0.0]], &[1.0; 2])
                .is_err()
        );
    }
}
