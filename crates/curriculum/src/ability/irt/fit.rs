//! # IrtConfig
//!
//! Difficulties of items and abilities of subjects, fitted on right and wrong answers: 1PL, 2PL, 3PL and 4PL.
//!
//! Source: Rasch 1960, Birnbaum 1968, Barton and Lord 1981; marginal maximum likelihood by EM after Bock and Aitkin 1981, with priors after
//! Mislevy 1986; the crowd of models of PUDF (arXiv 2408.05326)

use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::model::{IrtModel, ItemParameters};
use super::responses::Responses;
use super::step::Priors;
use super::{joint, marginal};
use crate::error::{CurriculumError, Result, check, count};

/// How items and subjects are fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Estimator {
    /// Items by the mode of the likelihood in which abilities are integrated over a standard normal distribution, by EM; abilities by their posterior
    /// mean. Abilities are kept at mean 0, and at deviation 1 where items have a discrimination.
    #[default]
    Marginal,
    /// The mode of items and abilities together, for [`IrtModel::OnePl`] only: the substitute for the variational fit of PUDF's library that keeps its
    /// order. Its scale is too wide where there are few answers a subject.
    Joint,
}

/// Settings of a fit.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `model` | `OnePl` | which parameters an item has |
/// | `estimator` | `Marginal` | how they are fitted |
/// | `ability_prior` | 1 | standard deviation of abilities around 0 in a joint fit, above 0 |
/// | `difficulty_prior` | 1 | standard deviation of difficulties around 0, above 0; 1000 is the library's, by which an item that all or none solve runs off to about 13 |
/// | `discrimination_prior` | .5 | standard deviation of `ln a` around 0, above 0 |
/// | `guessing_prior` | (.2, .5) | of `c`: the middle, and the standard deviation of its log-odds |
/// | `upper_prior` | (.95, .5) | of `d`: the middle, and the standard deviation of its log-odds |
/// | `points` | 61 | points from -6 to 6 at which abilities are integrated, 5 to 1,000 |
/// | `tolerance` | 1e-4 | the change of every difficulty at which the fit ends, above 0 |
/// | `steps` | 500 | steps at most, 1 or more |
///
/// ```
/// use regimen_curriculum::ability::irt::{Estimator, IrtConfig, Responses};
///
/// let rows: [&[u8]; 4] = [&[1, 1, 1, 1, 0], &[1, 1, 1, 0, 0], &[1, 1, 0, 0, 0], &[1, 0, 0, 0, 0]];
/// let rows = rows.map(|row| row.iter().map(|right| Some(*right == 1)).collect());
/// let fit = IrtConfig::new().with_estimator(Estimator::Joint).fit(&Responses::of_rows(&rows)?)?;
/// assert!((fit.items[0].difficulty + 1.0719).abs() < 1e-4);
/// assert!((fit.abilities[0] - 0.7260).abs() < 1e-4);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct IrtConfig {
    model: IrtModel,
    estimator: Estimator,
    ability_prior: f64,
    difficulty_prior: f64,
    discrimination_prior: f64,
    guessing_prior: (f64, f64),
    upper_prior: (f64, f64),
    points: usize,
    tolerance: f64,
    steps: usize,
}

checked_serde!(IrtConfig);

impl Default for IrtConfig {
    fn default() -> Self {
        Self {
            model: IrtModel::OnePl,
            estimator: Estimator::Marginal,
            ability_prior: 1.0,
            difficulty_prior: 1.0,
            discrimination_prior: 0.5,
            guessing_prior: (0.2, 0.5),
            upper_prior: (0.95, 0.5),
            points: 61,
            tolerance: 1e-4,
            steps: 500,
        }
    }
}

impl Checked for IrtConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        for (field, value) in [
            ("ability_prior", self.ability_prior),
            ("difficulty_prior", self.difficulty_prior),
            ("discrimination_prior", self.discrimination_prior),
            ("deviation of `guessing_prior`", self.guessing_prior.1),
            ("deviation of `upper_prior`", self.upper_prior.1),
        ] {
            let good = (1e-3..=1e4).contains(&value);
            check(field, value, good, "0.001 to 10000")?;
        }
        for (field, value) in [
            ("middle of `guessing_prior`", self.guessing_prior.0),
            ("middle of `upper_prior`", self.upper_prior.0),
        ] {
            let good = (1e-6..=1.0 - 1e-6).contains(&value);
            check(field, value, good, "0.000001 to 0.999999")?;
        }
        count(
            "points",
            self.points,
            (5..=1000).contains(&self.points),
            "5 to 1000",
        )?;
        let small = self.tolerance > 0.0 && self.tolerance <= 1.0;
        check("tolerance", self.tolerance, small, "above 0, up to 1")?;
        let some = (1..=1_000_000).contains(&self.steps);
        count("steps", self.steps, some, "1 to 1000000")?;
        if self.estimator == Estimator::Joint && self.model != IrtModel::OnePl {
            return Err(CurriculumError::OutOfRange {
                field: "model",
                value: format!("{:?} with a joint fit", self.model),
                allowed: "OnePl with a joint fit, any with a marginal one",
            });
        }
        Ok(())
    }
}

impl IrtConfig {
    /// The marginal fit of the Rasch model.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Which parameters an item has.
    #[must_use]
    pub fn with_model(mut self, model: IrtModel) -> Self {
        self.model = model;
        self
    }

    /// How items and subjects are fitted.
    #[must_use]
    pub fn with_estimator(mut self, estimator: Estimator) -> Self {
        self.estimator = estimator;
        self
    }

    /// The standard deviation of abilities around 0 in a joint fit.
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

    /// The standard deviation of the logarithm of discriminations around 0.
    #[must_use]
    pub fn with_discrimination_prior(mut self, deviation: f64) -> Self {
        self.discrimination_prior = deviation;
        self
    }

    /// The middle of the chance to guess right, and the standard deviation of its log-odds.
    #[must_use]
    pub fn with_guessing_prior(mut self, middle: f64, deviation: f64) -> Self {
        self.guessing_prior = (middle, deviation);
        self
    }

    /// The middle of the chance of the most able, and the standard deviation of its log-odds.
    #[must_use]
    pub fn with_upper_prior(mut self, middle: f64, deviation: f64) -> Self {
        self.upper_prior = (middle, deviation);
        self
    }

    /// At how many points abilities are integrated.
    #[must_use]
    pub fn with_points(mut self, points: usize) -> Self {
        self.points = points;
        self
    }

    /// The change of every difficulty at which the fit ends.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Steps at most.
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Fits items and subjects, on all cores. Memory: of a marginal fit, `points` numbers for each subject and two for each item and point.
    ///
    /// An item without an answer is at the middle of its priors, and so is a subject's ability.
    ///
    /// # Errors
    /// If a setting lies outside its range, or there is no answer at all.
    pub fn fit(&self, responses: &Responses) -> Result<IrtFit> {
        self.fit_watched(responses, &Watch::default())
    }

    /// [`fit`](Self::fit), reporting each step. Work that is stopped gives the fit so far, not `converged`.
    ///
    /// # Errors
    /// As for [`fit`](Self::fit).
    #[tracing::instrument(skip_all, name = "irt", fields(subjects = responses.subjects(), items = responses.items(), answers = responses.len()))]
    pub fn fit_watched(&self, responses: &Responses, watch: &Watch) -> Result<IrtFit> {
        self.check()?;
        if responses.is_empty() {
            return Err(CurriculumError::TooFew {
                field: "responses",
                found: 0,
                needed: 1,
            });
        }
        Ok(match self.estimator {
            Estimator::Joint => joint::fit(self, responses, watch),
            Estimator::Marginal => marginal::fit(self, responses, watch),
        })
    }

    pub(super) fn model(&self) -> IrtModel {
        self.model
    }

    pub(super) fn points(&self) -> usize {
        self.points
    }

    pub(super) fn tolerance(&self) -> f64 {
        self.tolerance
    }

    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Precisions of abilities and difficulties.
    pub(super) fn precisions(&self) -> (f64, f64) {
        (self.ability_prior.powi(-2), self.difficulty_prior.powi(-2))
    }

    pub(super) fn priors(&self) -> Priors {
        let odds = |share: f64| (share / (1.0 - share)).ln();
        Priors {
            middle: [
                0.0,
                0.0,
                odds(self.guessing_prior.0),
                odds(self.upper_prior.0),
            ],
            precision: [
                self.difficulty_prior,
                self.discrimination_prior,
                self.guessing_prior.1,
                self.upper_prior.1,
            ]
            .map(|deviation| deviation.powi(-2)),
        }
    }
}

/// What a fit found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IrtFit {
    /// Of each item.
    pub items: Vec<ItemParameters>,
    /// Of each subject: its posterior mean, or its mode in a joint fit.
    pub abilities: Vec<f64>,
    /// Steps that were taken.
    pub steps: usize,
    /// Whether the difficulties came to rest.
    pub converged: bool,
}

impl IrtFit {
    /// The difficulty of each item.
    #[must_use]
    pub fn difficulties(&self) -> Vec<f64> {
        self.items.iter().map(|item| item.difficulty).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};
    use regimen_tensor::stats::{pearson, spearman};

    use super::*;

    fn crowd(
        subjects: usize,
        items: &[ItemParameters],
        seen: f64,
        seed: u64,
    ) -> (Vec<f64>, Responses) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let abilities: Vec<f64> = (0..subjects)
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        let mut all = Vec::new();
        for (subject, theta) in abilities.iter().enumerate() {
            for (place, item) in items.iter().enumerate() {
                if rng.random::<f64>() < seen {
                    all.push((
                        subject,
                        place,
                        rng.random::<f64>() < item.probability(*theta),
                    ));
                }
            }
        }
        let responses = Responses::new(subjects, items.len(), all).unwrap();
        (abilities, responses)
    }

    fn difficulties(count: usize) -> Vec<ItemParameters> {
        let mut rng = ChaCha8Rng::seed_from_u64(99);
        (0..count)
            .map(|_| ItemParameters::of_difficulty(StandardNormal.sample(&mut rng)))
            .collect()
    }

    #[test]
    fn the_joint_mode_of_four_subjects() {
        let rows: [[u8; 5]; 4] = [
            [1, 1, 1, 1, 0],
            [1, 1, 1, 0, 0],
            [1, 1, 0, 0, 0],
            [1, 0, 0, 0, 0],
        ];
        let rows = rows.map(|row| row.iter().map(|right| Some(*right == 1)).collect());
        let responses = Responses::of_rows(&rows).unwrap();
        let config = IrtConfig::new()
            .with_estimator(Estimator::Joint)
            .with_tolerance(1e-9);
        for (prior, theta, b) in [
            (1.0, [0.7260, 0.2388], [-1.0719, -0.5220]),
            (1000.0, [0.9490, 0.3126], [-12.8832, -1.2206]),
        ] {
            let fit = config
                .clone()
                .with_difficulty_prior(prior)
                .fit(&responses)
                .unwrap();
            assert!(fit.converged);
            let wanted = [theta[0], theta[1], -theta[1], -theta[0]];
            for (found, wanted) in fit.abilities.iter().zip(wanted) {
                assert!(
                    (found - wanted).abs() < 1e-4,
                    "{prior}: {:?}",
                    fit.abilities
                );
            }
            let wanted: [f64; 5] = [b[0], b[1], 0.0, -b[1], -b[0]];
            for (found, wanted) in fit.difficulties().iter().zip(wanted) {
                // The outermost are known to four digits.
                let close = 1e-4 * wanted.abs().max(1.0);
                assert!((found - wanted).abs() < close, "{:?}", fit.difficulties());
            }
            // What the objective's slope is 0 at: as many wrong answers as are expected, but for the prior.
            let wrong = fit
                .abilities
                .iter()
                .map(|theta| 1.0 - fit.items[0].probability(*theta));
            let slope = wrong.sum::<f64>() + fit.items[0].difficulty / (prior * prior);
            assert!(slope.abs() < 1e-8, "{slope}");
        }
    }

    #[test]
    fn difficulties_and_abilities_of_a_crowd_are_found() {
        let items = difficulties(200);
        let truth: Vec<f64> = items.iter().map(|item| item.difficulty).collect();
        let (abilities, responses) = crowd(300, &items, 0.4, 1);
        for estimator in [Estimator::Marginal, Estimator::Joint] {
            let config = IrtConfig::new().with_estimator(estimator);
            let fit = config.fit(&responses).unwrap();
            assert!(fit.converged, "{estimator:?}: {} steps", fit.steps);
            let found = pearson(&fit.difficulties(), &truth).unwrap();
            assert!(found > 0.97, "{estimator:?}: {found}");
            assert!(pearson(&fit.abilities, &abilities).unwrap() > 0.9);
            if estimator == Estimator::Marginal {
                let found = fit.difficulties();
                let far = found.iter().zip(&truth).map(|(a, b)| (a - b).powi(2));
                let far = (far.sum::<f64>() / 200.0).sqrt();
                assert!(far < 0.3, "{far}");
            }
        }
    }

    /// Where everyone answers everything, difficulty orders items by the share that failed.
    #[test]
    fn complete_answers_order_items_by_their_failures() {
        let items = difficulties(60);
        let (_, responses) = crowd(80, &items, 1.1, 2);
        let fit = IrtConfig::new().fit(&responses).unwrap();
        let failures: Vec<f64> = (0..60)
            .map(|item| 1.0 - responses.share_right(item).unwrap())
            .collect();
        assert!(spearman(&fit.difficulties(), &failures).unwrap() > 0.998);
    }

    #[test]
    fn slopes_guessing_and_ceilings_are_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let items: Vec<ItemParameters> = (0..40)
            .map(|place| ItemParameters {
                difficulty: StandardNormal.sample(&mut rng),
                discrimination: if place % 2 == 0 { 0.7 } else { 2.0 },
                guessing: if place % 4 < 2 { 0.05 } else { 0.3 },
                upper: 1.0,
            })
            .collect();
        let (_, responses) = crowd(4000, &items, 1.1, 3);
        let fit = IrtConfig::new()
            .with_model(IrtModel::ThreePl)
            .fit(&responses)
            .unwrap();
        let of = |part: fn(&ItemParameters) -> f64| {
            let (found, truth): (Vec<f64>, Vec<f64>) = fit
                .items
                .iter()
                .zip(&items)
                .map(|(a, b)| (part(a), part(b)))
                .unzip();
            pearson(&found, &truth).unwrap()
        };
        let found = [
            of(|item| item.difficulty),
            of(|item| item.discrimination),
            of(|item| item.guessing),
        ];
        assert!(
            found[0] > 0.95 && found[1] > 0.9 && found[2] > 0.6,
            "{found:?}"
        );
        let four = IrtConfig::new().with_model(IrtModel::FourPl).with_steps(30);
        let four = four.fit(&responses).unwrap();
        assert!(
            four.items
                .iter()
                .all(|item| item.check().is_ok() && item.upper < 1.0)
        );
    }

    #[test]
    fn what_nobody_saw_is_at_the_middle() {
        let responses = Responses::new(3, 3, [(0, 0, true), (1, 0, false), (1, 1, true)]).unwrap();
        for estimator in [Estimator::Marginal, Estimator::Joint] {
            let fit = IrtConfig::new()
                .with_estimator(estimator)
                .fit(&responses)
                .unwrap();
            assert!(fit.items[2].difficulty.abs() < 0.5 && fit.abilities[2].abs() < 0.5);
            assert!(fit.items[0].difficulty > fit.items[1].difficulty);
        }
        assert!(
            IrtConfig::new()
                .fit(&Responses::new(1, 1, []).unwrap())
                .is_err()
        );
        let two = IrtConfig::new()
            .with_model(IrtModel::TwoPl)
            .with_estimator(Estimator::Joint);
        assert!(two.fit(&responses).is_err());
    }
}
