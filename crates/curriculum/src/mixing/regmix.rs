//! # RegMix
//!
//! The mixture that a regression over many small runs predicts to be the best: which mixtures to try, and what to answer.
//!
//! Source: "RegMix: Data Mixture as Regression for Language Model Pre-training", arXiv 2407.01492, and its released code; the regression there is
//! gradient-boosted trees or linear, here [`MixtureFit`]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::fit::MixtureFit;
use super::lowest::{check_draws, lowest};
use super::simplex::{check_distribution, check_over, dirichlet};
use crate::error::{CurriculumError, Result, check};

/// The weights that draws are multiples of.
const GRAIN: f64 = 2e-4;

/// Tries for one draw below the most that a domain may have.
const TRIES: usize = 10_000;

/// Which mixtures to train proxies with, and which to answer: draws around the weights that the data have.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `prior` | of [`new`](Self::new) | a distribution: the tokens' shares, each above 0 |
/// | `temperature` | 0.5 | 0 to 1, the power of the prior |
/// | `strengths` | 0.1, 5 | 1e-3 to 1e6, the least first: 15 are taken at even ratios |
/// | `most` | 15 | 1 or more: no domain has over so many times its prior |
///
/// ```
/// use regimen_curriculum::mixing::{MixtureFitConfig, RegMix};
///
/// let regmix = RegMix::new(vec![0.7, 0.2, 0.1])?;
/// let mixtures = regmix.draws(64, 1)?;
/// // Train a small proxy on each; here the third domain helps the target, in moderation.
/// let losses: Vec<f64> = mixtures.iter().map(|w| 3.0 - w[2] + 1.5 * w[2] * w[2] - 0.1 * w[1]).collect();
/// let fit = MixtureFitConfig::new().with_ridge(1e-6).fit(&mixtures, &losses)?;
/// let best = regmix.lowest(&fit, 100_000, 128, 1)?;
/// assert!((best[2] - 0.33).abs() < 0.05);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegMix {
    prior: Vec<f64>,
    temperature: f64,
    strengths: (f64, f64),
    most: f64,
}

/// As it is written; [`RegMix`] is checked when it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    prior: Vec<f64>,
    temperature: f64,
    strengths: (f64, f64),
    most: f64,
}

impl<'de> Deserialize<'de> for RegMix {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let raw = Raw::deserialize(from)?;
        let made = Self::new(raw.prior).and_then(|regmix| {
            let regmix = regmix.with_strengths(raw.strengths.0, raw.strengths.1)?;
            regmix
                .with_temperature(raw.temperature)?
                .with_most(raw.most)
        });
        made.map_err(serde::de::Error::custom)
    }
}

impl RegMix {
    /// Around these shares of the data.
    ///
    /// # Errors
    /// If they are no distribution, or one is not above 0.
    pub fn new(prior: Vec<f64>) -> Result<Self> {
        check_distribution("prior", &prior)?;
        for share in &prior {
            check("prior", *share, *share > 0.0, "above 0")?;
        }
        Ok(Self {
            prior,
            temperature: 0.5,
            strengths: (0.1, 5.0),
            most: 15.0,
        })
    }

    /// The power of the prior: 1 draws around it, 0 around uniform weights.
    ///
    /// # Errors
    /// If it is not within 0 and 1.
    pub fn with_temperature(mut self, temperature: f64) -> Result<Self> {
        let good = (0.0..=1.0).contains(&temperature);
        check("temperature", temperature, good, "0 to 1")?;
        self.temperature = temperature;
        Ok(self)
    }

    /// The least and the largest sum of concentrations: small ones draw near corners, large ones near the prior.
    ///
    /// # Errors
    /// If they are not within 1e-3 and 1e6, or the first is larger.
    pub fn with_strengths(mut self, least: f64, largest: f64) -> Result<Self> {
        for strength in [least, largest] {
            let good = (1e-3..=1e6).contains(&strength);
            check("strengths", strength, good, "1e-3 to 1e6")?;
        }
        check("strengths", least, least <= largest, "up to the largest")?;
        self.strengths = (least, largest);
        Ok(self)
    }

    /// No domain gets over so many times its prior share.
    ///
    /// # Errors
    /// If it is below 1 or not finite.
    pub fn with_most(mut self, most: f64) -> Result<Self> {
        check("most", most, most >= 1.0, "1 or more")?;
        self.most = most;
        Ok(self)
    }

    /// So many different mixtures to train proxies with, whole multiples of 2e-4.
    ///
    /// # Errors
    /// If they are not 1 to 2^24 weights in all, or 10,000 tries gave none below the most that a domain may have.
    pub fn draws(&self, count: usize, seed: u64) -> Result<Vec<Vec<f64>>> {
        check_draws(count, self.prior.len())?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let powers: Vec<f64> = self
            .prior
            .iter()
            .map(|p| p.powf(self.temperature))
            .collect();
        let sum: f64 = powers.iter().sum();
        (0..count)
            .map(|_| self.draw(&powers, sum, &mut rng))
            .collect()
    }

    fn draw(&self, powers: &[f64], sum: f64, rng: &mut ChaCha8Rng) -> Result<Vec<f64>> {
        let (least, largest) = self.strengths;
        for _ in 0..TRIES {
            let place = f64::from(rng.random_range(0..15_u8)) / 14.0;
            let strength = least * (largest / least).powf(place);
            let around: Vec<f64> = powers.iter().map(|power| strength * power / sum).collect();
            let drawn = dirichlet(&around, rng)?;
            let mut pairs = drawn.iter().zip(&self.prior);
            if pairs.all(|(weight, prior)| *weight <= (self.most * prior).min(1.0)) {
                return Ok(grained(&drawn));
            }
        }
        Err(CurriculumError::OutOfRange {
            field: "most",
            value: self.most.to_string(),
            allowed: "more: no draw of 10,000 was below it",
        })
    }

    /// The mean of the `best` mixtures with the lowest loss of so many draws around the prior; the paper has 128 of 100,000.
    ///
    /// # Errors
    /// If the fit is of other domains, the draws are not 1 to 2^24 weights in all, or `best` is not 1 to `draws`.
    pub fn lowest(
        &self,
        fit: &MixtureFit,
        draws: usize,
        best: usize,
        seed: u64,
    ) -> Result<Vec<f64>> {
        check_over("prior", &self.prior, fit.domains())?;
        lowest(|mixture| fit.value(mixture), &self.prior, draws, best, seed)
    }
}

/// Weights below the grain become 0, the others whole multiples of it that sum to 1.
fn grained(weights: &[f64]) -> Vec<f64> {
    let kept: Vec<f64> = weights
        .iter()
        .map(|weight| if *weight < GRAIN { 0.0 } else { *weight })
        .collect();
    let sum: f64 = kept.iter().sum();
    if sum == 0.0 {
        return weights.to_vec();
    }
    let grains: Vec<f64> = kept
        .iter()
        .map(|weight| (weight / sum / GRAIN).round())
        .collect();
    let all: f64 = grains.iter().sum();
    grains.iter().map(|grain| grain / all).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mixing::MixtureFitConfig;

    #[test]
    fn draws_keep_below_the_most_and_come_back_by_seed() {
        let regmix = RegMix::new(vec![0.9, 0.08, 0.02]).unwrap();
        let draws = regmix.draws(300, 3).unwrap();
        assert_eq!(draws, regmix.draws(300, 3).unwrap());
        assert_ne!(draws, regmix.draws(300, 4).unwrap());
        for draw in &draws {
            check_distribution("weights", draw).unwrap();
            // 15 times .02, before rounding to grains.
            assert!(draw[2] <= 0.3 + 2.0 * GRAIN);
            assert!(
                draw.iter()
                    .all(|weight| *weight == 0.0 || *weight >= 0.9 * GRAIN)
            );
        }
        // Both ends are tried: near a corner, and near the prior.
        assert!(draws.iter().any(|draw| draw.contains(&0.0)));
        let text = serde_json::to_string(&regmix).unwrap();
        assert_eq!(serde_json::from_str::<RegMix>(&text).unwrap(), regmix);
    }

    #[test]
    fn the_best_of_a_linear_loss_is_a_corner() {
        let mixtures = [
            vec![1.0, 0.0, 0.0],
            vec![0.0, 1.0, 0.0],
            vec![0.0, 0.0, 1.0],
        ];
        let config = MixtureFitConfig::new()
            .with_quadratic(false)
            .with_ridge(1e-9);
        let fit = config.fit(&mixtures, &[2.0, 1.0, 3.0]).unwrap();
        assert_eq!(fit.lowest(1000, 1, 0).unwrap(), [0.0, 1.0, 0.0]);
        let mean = fit.lowest(1000, 1000, 0).unwrap();
        assert!(mean.iter().all(|weight| (weight - 1.0 / 3.0).abs() < 0.05));
        assert!(fit.lowest(10, 11, 0).is_err());
        let other = RegMix::new(vec![0.5, 0.5]).unwrap();
        assert!(other.lowest(&fit, 10, 1, 0).is_err());
    }
}
