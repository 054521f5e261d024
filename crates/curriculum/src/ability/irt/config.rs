//! # IrtConfig
//!
//! Difficulties of items and abilities of subjects, fitted on right and wrong answers: 1PL, 2PL, 3PL and 4PL.
//!
//! Source: Rasch 1960, Birnbaum 1968, Barton and Lord 1981; marginal maximum likelihood by EM after Bock and Aitkin 1981, with priors after
//! Mislevy 1986; the crowd of models of PUDF (arXiv 2408.05326)

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::model::{IrtModel, ItemParameters};
use super::step::Priors;
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

    pub(super) fn estimator(&self) -> Estimator {
        self.estimator
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
