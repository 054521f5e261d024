//! The learning trace: one trend a level, and what the levels allow.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use super::power_law::PowerLaw;
use crate::error::{Error, Result, check, check_most, check_positive, check_same};

/// Observations that a trend of three parameters needs.
const FIRST: usize = 3;

/// Levels of a trace at most: each fits a trend to all before.
const LEVELS: usize = 512;

/// When predictions of a learning curve are trusted, and when learning has converged.
///
/// | field | default | range |
/// |---|---|---|
/// | `verticality` | 4e-5 | above 0, below 1; with `slowdown` the steepest backbone that is trusted |
/// | `slowdown` | 1 | 1 or more |
/// | `look_ahead` | 5 | levels after the working level that must be as flat |
/// | `ceiling` | 100 | the largest possible accuracy, in the unit of the accuracies; above 0 |
/// | `convergence` | 1 | the gain, in the same unit, that is not worth more data; 0 or more |
/// | `anchored` | true | whether trends are pulled towards the one before |
///
/// A backbone is trusted once its slope `|alpha_{i+1} - alpha_i| / (x_{i+1} - x_i)` stays at or below
/// `verticality^(1 / slowdown) / (1 - verticality)`. That is accuracy for each item of data: the
/// default suits steps of thousands of words, and [`with_steepest`](Self::with_steepest) sets it
/// for other sizes.
///
/// ```
/// use regimen_schedules::forecast::learning_curve::{LearningTraceConfig, PowerLaw};
///
/// let law = PowerLaw::new(40.0, 0.35, 97.0)?;
/// let mut trace = LearningTraceConfig::new().with_convergence(2.0).init()?;
/// for level in 1..=12 {
///     let words = 5000.0 * f64::from(level);
///     trace.observe(words, law.at(words))?;
/// }
/// assert_eq!((trace.working_level(), trace.prediction_level()), (Some(3), Some(3)));
/// assert!((trace.predict(1e6)? - law.at(1e6)).abs() < 1e-6);
/// assert_eq!(trace.convergence_level(), Some(4)); // 1.25 points are left to gain there
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct LearningTraceConfig {
    /// The threshold of verticality, `nu`.
    pub verticality: f64,
    /// The slowdown, `s`.
    pub slowdown: f64,
    /// Levels that must be as flat as the working level, `k`.
    pub look_ahead: usize,
    /// The largest possible accuracy.
    pub ceiling: f64,
    /// The threshold of convergence, `tau`.
    pub convergence: f64,
    /// Whether trends are anchored from the working level on.
    pub anchored: bool,
}

impl Default for LearningTraceConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl LearningTraceConfig {
    /// The published values, for accuracies in percent.
    #[must_use]
    pub fn new() -> Self {
        Self {
            verticality: 4e-5,
            slowdown: 1.0,
            look_ahead: 5,
            ceiling: 100.0,
            convergence: 1.0,
            anchored: true,
        }
    }

    /// The threshold of verticality and the slowdown.
    #[must_use]
    pub fn with_verticality(self, verticality: f64, slowdown: f64) -> Self {
        Self {
            verticality,
            slowdown,
            ..self
        }
    }

    /// The steepest slope of the backbone that is trusted, in accuracy for each item of data:
    /// the verticality `slope / (1 + slope)` at a slowdown of 1.
    ///
    /// # Errors
    /// If `slope` is not finite or not above 0.
    pub fn with_steepest(self, slope: f64) -> Result<Self> {
        check_positive("slope", slope)?;
        Ok(self.with_verticality(slope / (1.0 + slope), 1.0))
    }

    /// How many levels after the working level must be as flat.
    #[must_use]
    pub fn with_look_ahead(self, look_ahead: usize) -> Self {
        Self { look_ahead, ..self }
    }

    /// The largest possible accuracy.
    #[must_use]
    pub fn with_ceiling(self, ceiling: f64) -> Self {
        Self { ceiling, ..self }
    }

    /// The gain that is not worth more data.
    #[must_use]
    pub fn with_convergence(self, convergence: f64) -> Self {
        Self {
            convergence,
            ..self
        }
    }

    /// Whether trends are anchored from the working level on.
    #[must_use]
    pub fn with_anchored(self, anchored: bool) -> Self {
        Self { anchored, ..self }
    }

    /// The steepest slope of the backbone that is trusted.
    #[must_use]
    pub fn steepest(&self) -> f64 {
        self.verticality.powf(1.0 / self.slowdown) / (1.0 - self.verticality)
    }

    /// An empty trace.
    ///
    /// # Errors
    /// If a field is out of its range.
    pub fn init(self) -> Result<LearningTrace> {
        self.check()?;
        Ok(LearningTrace {
            config: self,
            sizes: Vec::new(),
            accuracies: Vec::new(),
            free: Vec::new(),
            trends: Vec::new(),
            working: None,
        })
    }
}

checked_serde!(LearningTraceConfig);

impl Checked for LearningTraceConfig {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let nu = self.verticality;
        check("verticality", nu, nu > 0.0 && nu < 1.0, "between 0 and 1")?;
        check("slowdown", self.slowdown, self.slowdown >= 1.0, "1 or more")?;
        check("ceiling", self.ceiling, self.ceiling > 0.0, "above 0")?;
        let tau = self.convergence;
        check("convergence", tau, tau >= 0.0, "0 or more")
    }
}

/// The trends of a learning curve as it is measured: see [`LearningTraceConfig`].
///
/// Level `l` is the state after `l` observations, 512 at most; trends exist from level 3 on. What is saved are
/// the configuration and the observations, from which reading computes the same trends again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct LearningTrace {
    config: LearningTraceConfig,
    sizes: Vec<f64>,
    accuracies: Vec<f64>,
    /// Trends without anchors: the working level is theirs.
    free: Vec<PowerLaw>,
    /// Trends in use: anchored from the working level on, if that is asked for.
    trends: Vec<PowerLaw>,
    working: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    config: LearningTraceConfig,
    observations: Vec<(f64, f64)>,
}

impl From<LearningTrace> for Saved {
    fn from(trace: LearningTrace) -> Self {
        let observations = trace.sizes.into_iter().zip(trace.accuracies);
        Self {
            config: trace.config,
            observations: observations.collect(),
        }
    }
}

impl TryFrom<Saved> for LearningTrace {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        check_most("observations", saved.observations.len(), LEVELS)?;
        let mut trace = saved.config.init()?;
        for (size, accuracy) in saved.observations {
            trace.observe(size, accuracy)?;
        }
        Ok(trace)
    }
}

impl Part for LearningTrace {
    fn kind(&self) -> String {
        "learning-trace 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    /// The saved configuration must be the same.
    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let read: Self = json::load(bytes)?;
        check_same("config", &read.config, &self.config)?;
        *self = read;
        Ok(())
    }
}

impl LearningTrace {
    /// Adds the accuracy after training on `size` items, a mean over folds or shuffles, and fits
    /// the trend of this level. A refused observation changes nothing.
    ///
    /// # Errors
    /// If `size` is not above 0 and the one before, `accuracy` is not between 0 and the ceiling, there are 512 levels already, or as
    /// [`PowerLaw::fit`].
    pub fn observe(&mut self, size: f64, accuracy: f64) -> Result<()> {
        check_most("observations", self.level() + 1, LEVELS)?;
        let last = self.sizes.last().copied().unwrap_or(0.0);
        check("size", size, size > last, "above 0 and the one before")?;
        let possible = (0.0..=self.config.ceiling).contains(&accuracy);
        check("accuracy", accuracy, possible, "0 up to the ceiling")?;
        let mut next = self.clone();
        next.sizes.push(size);
        next.accuracies.push(accuracy);
        if next.level() >= FIRST {
            next.extend()?;
        }
        *self = next;
        Ok(())
    }

    fn extend(&mut self) -> Result<()> {
        self.free.push(self.trend(self.level(), None)?);
        if self.working.is_none() {
            self.working = self.find_working();
            // The working level is known only `look_ahead` levels later: fit those again.
            let kept = self
                .working
                .map_or(self.trends.len(), |level| level - FIRST);
            self.trends.truncate(kept);
        }
        for level in self.trends.len() + FIRST..=self.level() {
            let trend = self.in_use(level)?;
            self.trends.push(trend);
        }
        Ok(())
    }

    /// The trend of a level: anchored to the one before it from the working level on.
    fn in_use(&self, level: usize) -> Result<PowerLaw> {
        let works = self.working.is_some_and(|working| level >= working);
        match self.trends.last() {
            Some(before) if self.config.anchored && works => {
                self.trend(level, Some(before.c.min(self.config.ceiling)))
            }
            _ => Ok(self.free[level - FIRST]),
        }
    }

    fn trend(&self, level: usize, anchor: Option<f64>) -> Result<PowerLaw> {
        PowerLaw::fit(&self.sizes[..level], &self.accuracies[..level], anchor)
    }

    fn find_working(&self) -> Option<usize> {
        let flat = |i: usize| {
            let rise = (self.free[i + 1].c - self.free[i].c).abs();
            let run = self.sizes[i + FIRST] - self.sizes[i + FIRST - 1];
            rise / run <= self.config.steepest()
        };
        let steps: Vec<bool> = (0..self.free.len() - 1).map(flat).collect();
        let mut windows = steps.windows(self.config.look_ahead.saturating_add(1));
        windows
            .position(|window| window.iter().all(|flat| *flat))
            .map(|i| i + FIRST)
    }

    /// How far the observed accuracies are from the latest trend: the mean of their absolute differences, in the accuracy's unit. An
    /// accuracy that is predicted is no better than that. `None` before level 3.
    ///
    /// ```
    /// use regimen_schedules::LearningTraceConfig;
    ///
    /// let mut trace = LearningTraceConfig::new().init()?;
    /// for (words, accuracy) in [(1e3, 70.0), (2e3, 80.0), (3e3, 78.0), (4e3, 85.0)] {
    ///     trace.observe(words, accuracy)?;
    /// }
    /// assert!(trace.residual().is_some_and(|residual| (0.5..5.0).contains(&residual)));
    /// # Ok::<(), regimen_schedules::Error>(())
    /// ```
    #[must_use]
    pub fn residual(&self) -> Option<f64> {
        let trend = self.trends.last()?;
        let pairs = self.sizes.iter().zip(&self.accuracies);
        let differences = pairs.map(|(size, accuracy)| (trend.at(*size) - accuracy).abs());
        Some(differences.sum::<f64>() / self.level() as f64)
    }

    /// Whether the latest trend grows with the data: false for accuracies that fall or stay, whose mean is all that
    /// [`predict`](Self::predict) can give. `None` before level 3.
    #[must_use]
    pub fn grows(&self) -> Option<bool> {
        self.trends.last().map(|trend| trend.a > 0.0)
    }

    /// How many accuracies were observed.
    #[must_use]
    pub fn level(&self) -> usize {
        self.sizes.len()
    }

    /// The trends of levels 3, 4, ..., in use now.
    #[must_use]
    pub fn trends(&self) -> &[PowerLaw] {
        &self.trends
    }

    /// The asymptotic backbone: the asymptotes of levels 3, 4, ...
    #[must_use]
    pub fn backbone(&self) -> Vec<f64> {
        self.trends.iter().map(|trend| trend.c).collect()
    }

    /// The level at which the erratic start ends: the first from which the backbone without anchors
    /// stays flat for `look_ahead + 1` steps. `None` until those are observed.
    #[must_use]
    pub fn working_level(&self) -> Option<usize> {
        self.working
    }

    /// The first level, from the working level on, whose asymptote is a possible accuracy.
    #[must_use]
    pub fn prediction_level(&self) -> Option<usize> {
        let working = self.working?;
        let possible = |level: &usize| self.trends[level - FIRST].c <= self.config.ceiling;
        (working..=self.level()).find(possible)
    }

    /// The first level after the prediction level at which the trend leaves no more than the
    /// threshold of convergence to gain: `a x_l^(-b) <= tau`.
    #[must_use]
    pub fn convergence_level(&self) -> Option<usize> {
        let first = self.prediction_level()? + 1;
        let close = |level: &usize| {
            let left = self.trends[level - FIRST].layer(self.sizes[level - 1]);
            left <= self.config.convergence
        };
        (first..=self.level()).find(close)
    }

    /// The accuracy that the latest trend predicts at a size, held between 0 and the ceiling: a trend after the prediction level
    /// may have an asymptote above it again.
    ///
    /// # Errors
    /// [`Error::NotYet`] before the prediction level, [`Error::OutOfRange`] if the size is not
    /// above 0.
    pub fn predict(&self, size: f64) -> Result<f64> {
        check("size", size, size > 0.0, "above 0")?;
        match (self.prediction_level(), self.trends.last()) {
            (Some(_), Some(trend)) => Ok(trend.at(size).clamp(0.0, self.config.ceiling)),
            _ => Err(Error::NotYet {
                level: self.level(),
            }),
        }
    }
}
