//! # VariationalConfig
//!
//! Difficulties and abilities with their uncertainties: the variational fit of the Rasch model that PUDF uses.
//!
//! Source: PUDF (arXiv 2408.05326), whose difficulties are fitted by the library py-irt with its prior "vague"; Natesan et al. 2016 (mean-field
//! normal posteriors)

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::model::{ItemParameters, logistic, softplus};
use super::responses::{Lists, Responses};
use crate::error::{CurriculumError, Result, check, count};

/// The largest difficulty that an item can have.
const LARGEST: f64 = 1e6;

/// Settings of a variational fit.
///
/// Each ability and difficulty has a normal posterior of its own, and the fit climbs
/// `E[ln p(answers)] - sum KL(posterior, prior)` by Adam with one draw of all of them a step.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `ability_prior` | 1 | standard deviation of abilities around 0, .001 to 10,000 |
/// | `difficulty_prior` | 1000 | standard deviation of difficulties around 0, .001 to 10,000; with the library's 1000 an item that all or none solve runs off to 13 or beyond |
/// | `steps` | 2000 | steps, 1 to 1,000,000 |
/// | `rate` | .1 | of Adam, above 0, up to 1 |
/// | `decay` | .9999 | what the rate is multiplied by in each step, above 0, up to 1 |
/// | `seed` | 0 | of the draws |
///
/// ```
/// use regimen_curriculum::ability::irt::{Responses, VariationalConfig};
///
/// let rows: [&[u8]; 4] = [&[1, 1, 1, 1, 0], &[1, 1, 1, 0, 0], &[1, 1, 0, 0, 0], &[1, 0, 0, 0, 0]];
/// let rows = rows.map(|row| row.iter().map(|right| Some(*right == 1)).collect());
/// let fit = VariationalConfig::new().with_difficulty_prior(1.0).fit(&Responses::of_rows(&rows)?)?;
/// assert!(fit.difficulties.windows(2).all(|pair| pair[0].mean < pair[1].mean));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct VariationalConfig {
    ability_prior: f64,
    difficulty_prior: f64,
    steps: usize,
    rate: f64,
    decay: f64,
    seed: u64,
}

checked_serde!(VariationalConfig, Normal);

impl Default for VariationalConfig {
    fn default() -> Self {
        Self {
            ability_prior: 1.0,
            difficulty_prior: 1000.0,
            steps: 2000,
            rate: 0.1,
            decay: 0.9999,
            seed: 0,
        }
    }
}

impl Checked for VariationalConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        for (field, value) in [
            ("ability_prior", self.ability_prior),
            ("difficulty_prior", self.difficulty_prior),
        ] {
            let good = (1e-3..=1e4).contains(&value);
            check(field, value, good, "0.001 to 10000")?;
        }
        for (field, value) in [("rate", self.rate), ("decay", self.decay)] {
            let good = value > 0.0 && value <= 1.0;
            check(field, value, good, "above 0, up to 1")?;
        }
        let some = (1..=1_000_000).contains(&self.steps);
        count("steps", self.steps, some, "1 to 1000000")
    }
}

/// A normal distribution.
///
/// ```
/// use regimen_curriculum::ability::irt::Normal;
///
/// let unit = Normal { mean: 0.0, deviation: 1.0 };
/// let other = Normal { mean: 0.5, deviation: 0.8 };
/// assert!((other.divergence(&unit) - 0.168_143_551_3).abs() < 1e-10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Normal {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation, 1e-100 or more.
    pub deviation: f64,
}

impl Checked for Normal {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let size = self.mean.abs() <= LARGEST;
        check("mean", self.mean, size, "-1000000 to 1000000")?;
        // The square of a smaller one is 0.
        let wide = (1e-100..=LARGEST).contains(&self.deviation);
        check("deviation", self.deviation, wide, "1e-100 to 1000000")
    }
}

impl Normal {
    /// Kullback and Leibler's divergence of this from `other`: `ln(s0 / s) + (s^2 + (m - m0)^2) / (2 s0^2) - 1/2`.
    #[must_use]
    pub fn divergence(&self, other: &Self) -> f64 {
        let gap = self.mean - other.mean;
        let squares = self.deviation * self.deviation + gap * gap;
        (other.deviation / self.deviation).ln()
            + squares / (2.0 * other.deviation * other.deviation)
            - 0.5
    }
}

/// What a variational fit found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariationalFit {
    /// The posterior of each item's difficulty.
    pub difficulties: Vec<Normal>,
    /// The posterior of each subject's ability.
    pub abilities: Vec<Normal>,
    /// The least loss of a step, the negative of what is climbed for one draw; the posteriors are those of that step.
    #[serde(with = "regimen_tensor::floats")]
    pub loss: f64,
    /// Steps that were taken.
    pub steps: usize,
}

impl VariationalFit {
    /// The items, with the posterior means as difficulties.
    #[must_use]
    pub fn items(&self) -> Vec<ItemParameters> {
        let means = self.difficulties.iter().map(|one| one.mean);
        means.map(ItemParameters::of_difficulty).collect()
    }
}

impl VariationalConfig {
    /// The settings of py-irt's prior "vague".
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The standard deviation of abilities around 0.
    #[must_use]
    pub fn with_ability_prior(mut self, deviation: f64) -> Self {
        self.ability_prior = deviation;
        self
    }

    /// The standard deviation of difficulties around 0.
    #[must_use]
    pub fn with_difficulty_prior(mut self, deviation: f64) -> Self {
        self.difficulty_prior = deviation;
        self
    }

    /// Steps.
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// The rate of Adam.
    #[must_use]
    pub fn with_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// What the rate is multiplied by in each step.
    #[must_use]
    pub fn with_decay(mut self, decay: f64) -> Self {
        self.decay = decay;
        self
    }

    /// Another seed of the draws.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Fits items and subjects, on all cores.
    ///
    /// # Errors
    /// If a setting lies outside its range, or there is no answer at all.
    pub fn fit(&self, responses: &Responses) -> Result<VariationalFit> {
        self.fit_watched(responses, &Watch::default())
    }

    /// [`fit`](Self::fit), reporting each step. Work that is stopped gives the best step so far.
    ///
    /// # Errors
    /// As for [`fit`](Self::fit).
    #[tracing::instrument(skip_all, name = "variational irt", fields(subjects = responses.subjects(), items = responses.items(), answers = responses.len()))]
    pub fn fit_watched(&self, responses: &Responses, watch: &Watch) -> Result<VariationalFit> {
        self.check()?;
        if responses.is_empty() {
            return Err(CurriculumError::TooFew {
                field: "responses",
                found: 0,
                needed: 1,
            });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut able = Posteriors::new(responses.subjects(), self.ability_prior);
        let mut hard = Posteriors::new(responses.items(), self.difficulty_prior);
        let mut best = VariationalFit {
            difficulties: hard.normals(),
            abilities: able.normals(),
            loss: f64::INFINITY,
            steps: 0,
        };
        let mut rate = self.rate;
        for step in 1..=self.steps {
            let (theta, b) = (able.draw(&mut rng), hard.draw(&mut rng));
            let slopes = slopes(&b, &theta, responses.by_item(), -1.0);
            let unlikely: f64 = slopes.iter().map(|(_, loss)| loss).sum();
            let loss = unlikely + able.divergence() + hard.divergence();
            if loss < best.loss {
                best.loss = loss;
                (best.abilities, best.difficulties) = (able.normals(), hard.normals());
            }
            hard.climb(&slopes, rate, step);
            let slopes = self::slopes(&theta, &b, responses.by_subject(), 1.0);
            able.climb(&slopes, rate, step);
            rate *= self.decay;
            best.steps = step;
            if !watch.goes_on("variational irt", step, self.steps) {
                break;
            }
        }
        Ok(best)
    }
}

/// For each value the slope of the log-likelihood, and its negative where values are difficulties. A right answer raises an ability (`sign` 1) and lowers a
/// difficulty (-1).
fn slopes(values: &[f64], others: &[f64], lists: &Lists, sign: f64) -> Vec<(f64, f64)> {
    let each = values.par_iter().enumerate().map(|(one, value)| {
        let (mut slope, mut loss) = (0.0, 0.0);
        for (other, right) in lists.of(one) {
            let x = sign * (value - others[*other as usize]);
            slope += sign * (f64::from(u8::from(*right)) - logistic(x));
            loss += softplus(if *right { -x } else { x });
        }
        (slope, loss)
    });
    each.collect()
}

/// Normal posteriors of many values with one prior, by their means and the logarithms of their deviations, and Adam's moments.
struct Posteriors {
    prior: Normal,
    means: Vec<f64>,
    logs: Vec<f64>,
    drawn: Vec<f64>,
    moments: Vec<[f64; 4]>,
}

impl Posteriors {
    fn new(count: usize, deviation: f64) -> Self {
        Self {
            prior: Normal {
                mean: 0.0,
                deviation,
            },
            means: vec![0.0; count],
            logs: vec![deviation.ln(); count],
            drawn: vec![0.0; count],
            moments: vec![[0.0; 4]; count],
        }
    }

    fn normals(&self) -> Vec<Normal> {
        let each = self.means.iter().zip(&self.logs);
        each.map(|(mean, log)| Normal {
            mean: *mean,
            deviation: log.exp(),
        })
        .collect()
    }

    fn divergence(&self) -> f64 {
        let normals = self.normals().into_iter();
        normals.map(|one| one.divergence(&self.prior)).sum()
    }

    fn draw(&mut self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        for drawn in &mut self.drawn {
            *drawn = StandardNormal.sample(rng);
        }
        let each = self.means.iter().zip(&self.logs).zip(&self.drawn);
        each.map(|((mean, log), drawn)| mean + log.exp() * drawn)
            .collect()
    }

    /// One step of Adam up the likelihood less the divergence.
    fn climb(&mut self, slopes: &[(f64, f64)], rate: f64, step: usize) {
        let variance = self.prior.deviation * self.prior.deviation;
        // A posterior that leaves these would not be one in double precision.
        let widest = LARGEST.ln();
        let step = step.min(i32::MAX as usize) as i32;
        for (one, (slope, _)) in slopes.iter().enumerate() {
            let deviation = self.logs[one].exp();
            let mean = slope - self.means[one] / variance;
            let log = slope * deviation * self.drawn[one] + 1.0 - deviation * deviation / variance;
            let [m0, v0, m1, v1] = &mut self.moments[one];
            self.means[one] += rate * adam(m0, v0, mean, step);
            self.logs[one] += rate * adam(m1, v1, log, step);
            self.means[one] = self.means[one].clamp(-LARGEST, LARGEST);
            self.logs[one] = self.logs[one].clamp(-widest, widest);
        }
    }
}

/// Adam's direction, with its usual .9, .999 and 1e-8.
fn adam(first: &mut f64, second: &mut f64, slope: f64, step: i32) -> f64 {
    *first = 0.9 * *first + 0.1 * slope;
    *second = 0.999 * *second + 0.001 * slope * slope;
    let first = *first / (1.0 - 0.9_f64.powi(step));
    let second = *second / (1.0 - 0.999_f64.powi(step));
    first / (second.sqrt() + 1e-8)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::RngExt;
    use regimen_tensor::stats::{pearson, spearman};

    use super::super::config::{Estimator, IrtConfig};
    use super::*;

    #[test]
    fn divergences_of_normal_distributions() {
        let of = |mean, deviation| Normal { mean, deviation };
        for (one, other, wanted) in [
            (of(0.5, 0.8), of(0.0, 1.0), 0.168_143_551_3),
            (of(-2.0, 0.7), of(0.0, 1000.0), 6.764_432_467_9),
            (of(0.0, 1000.0), of(0.0, 1000.0), 0.0),
        ] {
            assert!((one.divergence(&other) - wanted).abs() < 1e-9);
        }
    }

    /// Complete answers of 30 subjects to 80 items.
    fn responses() -> Responses {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut all = Vec::new();
        for subject in 0..30_u32 {
            for item in 0..80_u32 {
                let x = f64::from(subject) / 8.0 - 2.0 - (f64::from(item) / 20.0 - 2.0);
                let right = rng.random::<f64>() < logistic(x);
                all.push((subject as usize, item as usize, right));
            }
        }
        Responses::new(30, 80, all).unwrap()
    }

    #[test]
    fn means_are_near_the_joint_mode_and_in_its_order() {
        let responses = responses();
        let failures: Vec<f64> = (0..80)
            .map(|item| 1.0 - responses.share_right(item).unwrap())
            .collect();
        for prior in [1.0, 1000.0] {
            let fit = VariationalConfig::new().with_difficulty_prior(prior);
            let fit = fit.fit(&responses).unwrap();
            let joint = IrtConfig::new()
                .with_estimator(Estimator::Joint)
                .with_difficulty_prior(prior)
                .fit(&responses)
                .unwrap();
            let means: Vec<f64> = fit.difficulties.iter().map(|one| one.mean).collect();
            assert!(spearman(&means, &failures).unwrap() > 0.95);
            let abilities: Vec<f64> = fit.abilities.iter().map(|one| one.mean).collect();
            assert!(pearson(&abilities, &joint.abilities).unwrap() > 0.98);
            if prior == 1.0 {
                // Thirty answers say more than the prior.
                let narrow = fit.difficulties.iter().filter(|one| one.deviation < 0.9);
                assert!(narrow.count() > 60);
            }
            assert!(pearson(&means, &joint.difficulties()).unwrap() > 0.97);
            assert_eq!(fit.steps, 2000);
        }
    }

    #[test]
    fn a_seed_decides_and_a_stop_keeps_the_best() {
        let responses = responses();
        let config = VariationalConfig::new().with_steps(50);
        let fit = |config: &VariationalConfig| config.fit(&responses).unwrap();
        assert_eq!(fit(&config), fit(&config));
        assert_ne!(fit(&config), fit(&config.clone().with_seed(1)));
        let stopped = config.fit_watched(&responses, &Watch::new().until(|| true));
        assert_eq!(stopped.unwrap().steps, 1);
        assert!(config.with_rate(0.0).fit(&responses).is_err());
    }
}
