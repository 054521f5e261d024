//! # ReduceOnPlateau
//!
//! A rate that is cut when a metric has stopped improving.
//!
//! Source: torch's and Keras' `ReduceLROnPlateau`, optax's `contrib.reduce_on_plateau`, each with
//! its own rule.

use serde::{Deserialize, Serialize};

use super::{Feedback, Mode, Threshold};
use crate::error::{Result, check};

/// What sets off a cut, where the libraries differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlateauRule {
    /// When more than `patience` values in a row bring no improvement. Values in the cooldown, its
    /// last one too, do not count.
    #[default]
    Torch,
    /// When `patience` values in a row bring none. Values in the cooldown, its last one too, do
    /// not count.
    Optax,
    /// When `patience` values in a row bring none. The last value of the cooldown counts; a rate
    /// at its least starts no cooldown.
    Keras,
}

/// How a rate reacts to a plateau.
///
/// | field | torch | optax | Keras | range |
/// |---|---|---|---|---|
/// | `factor` | 0.1 | 0.1 | 0.1 | between 0 and 1 |
/// | `patience` | 10 | 10 | 10 | values; 1 or more, for torch's rule also 0 |
/// | `threshold` | relative 1e-4 | relative 1e-4 | absolute 1e-4 | 0 or more |
/// | `cooldown` | 0 | 0 | 0 | values after a cut |
/// | `least` | 0 | 0 | 0 | the rate is not cut below; 0 or more |
/// | `smallest_cut` | 1e-8 | 0 | 0 | a cut that is not larger is left out; 0 or more |
/// | `accumulation` | 1 | 1 | 1 | values whose mean counts as one; 1 or more |
///
/// ```
/// use regimen_schedules::{Feedback, ReduceOnPlateauConfig};
///
/// let mut rate = ReduceOnPlateauConfig::torch().with_patience(2).init(1.0)?;
/// let rates = [1.0, 0.9, 0.9, 0.9, 0.9].map(|loss| rate.observe(loss));
/// assert_eq!(rates, [1.0, 1.0, 1.0, 1.0, 0.1]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[doc(alias("ReduceLROnPlateau", "reduce_on_plateau"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReduceOnPlateauConfig {
    /// What sets off a cut.
    pub rule: PlateauRule,
    /// Which direction of the metric is better.
    pub mode: Mode,
    /// A cut multiplies the rate by this.
    pub factor: f64,
    /// How long to wait for an improvement.
    pub patience: usize,
    /// What counts as one.
    pub threshold: Threshold,
    /// Values after a cut during which none is set off.
    pub cooldown: usize,
    /// The least rate.
    pub least: f64,
    /// A cut must be larger than this.
    pub smallest_cut: f64,
    /// Values whose mean counts as one.
    pub accumulation: usize,
}

impl ReduceOnPlateauConfig {
    /// torch's rule and defaults.
    #[must_use]
    pub fn torch() -> Self {
        Self {
            rule: PlateauRule::Torch,
            mode: Mode::Min,
            factor: 0.1,
            patience: 10,
            threshold: Threshold::Relative(1e-4),
            cooldown: 0,
            least: 0.0,
            smallest_cut: 1e-8,
            accumulation: 1,
        }
    }

    /// optax's rule and defaults.
    #[must_use]
    pub fn optax() -> Self {
        let (rule, smallest_cut) = (PlateauRule::Optax, 0.0);
        Self {
            rule,
            smallest_cut,
            ..Self::torch()
        }
    }

    /// Keras' rule and defaults.
    #[must_use]
    pub fn keras() -> Self {
        let (rule, smallest_cut) = (PlateauRule::Keras, 0.0);
        let threshold = Threshold::Absolute(1e-4);
        Self {
            rule,
            threshold,
            smallest_cut,
            ..Self::torch()
        }
    }

    /// Which direction is better.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The factor of a cut.
    #[must_use]
    pub fn with_factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// How long to wait.
    #[must_use]
    pub fn with_patience(self, patience: usize) -> Self {
        Self { patience, ..self }
    }

    /// What counts as an improvement.
    #[must_use]
    pub fn with_threshold(self, threshold: Threshold) -> Self {
        Self { threshold, ..self }
    }

    /// How long a cut is the last one.
    #[must_use]
    pub fn with_cooldown(self, cooldown: usize) -> Self {
        Self { cooldown, ..self }
    }

    /// The least rate.
    #[must_use]
    pub fn with_least(self, least: f64) -> Self {
        Self { least, ..self }
    }

    /// How many values count as one.
    #[must_use]
    pub fn with_accumulation(self, accumulation: usize) -> Self {
        Self {
            accumulation,
            ..self
        }
    }

    /// Starts at a rate, finite and 0 or more; 1 where it is the factor of a schedule.
    ///
    /// # Errors
    /// If a field or the rate is out of its range.
    pub fn init(self, rate: f64) -> Result<ReduceOnPlateau> {
        let factor = self.factor;
        check("rate", rate, rate >= 0.0, "0 or more")?;
        check(
            "factor",
            factor,
            factor > 0.0 && factor < 1.0,
            "between 0 and 1",
        )?;
        let patient = self.patience > 0 || self.rule == PlateauRule::Torch;
        check(
            "patience",
            self.patience as f64,
            patient,
            "1 or more, or 0 with torch's rule",
        )?;
        self.threshold.check()?;
        check("least", self.least, self.least >= 0.0, "0 or more")?;
        check(
            "smallest_cut",
            self.smallest_cut,
            self.smallest_cut >= 0.0,
            "0 or more",
        )?;
        check(
            "accumulation",
            self.accumulation as f64,
            self.accumulation > 0,
            "1 or more",
        )?;
        let state = PlateauState {
            rate,
            ..PlateauState::default()
        };
        Ok(ReduceOnPlateau {
            config: self,
            state,
        })
    }
}

/// Where a [`ReduceOnPlateau`] stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlateauState {
    /// The rate now.
    pub rate: f64,
    /// The best value so far.
    pub best: Option<f64>,
    /// Values without improvement in a row.
    pub bad: usize,
    /// Values that are left of the cooldown.
    pub cooldown: usize,
    /// Sum of the values that will count as one.
    pub sum: f64,
    /// How many they are so far.
    pub count: usize,
}

/// A rate that is cut when a metric has stopped improving: see [`ReduceOnPlateauConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReduceOnPlateau {
    config: ReduceOnPlateauConfig,
    state: PlateauState,
}

impl ReduceOnPlateau {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &PlateauState {
        &self.state
    }

    fn torch(&mut self, improved: bool) {
        let (config, state) = (&self.config, &mut self.state);
        state.bad = if improved { 0 } else { state.bad + 1 };
        if state.cooldown > 0 {
            state.cooldown -= 1;
            state.bad = 0;
        }
        if state.bad > config.patience {
            state.bad = 0;
            state.cooldown = config.cooldown;
            self.cut();
        }
    }

    fn optax(&mut self, improved: bool) {
        let (config, state) = (&self.config, &mut self.state);
        state.bad = if improved { 0 } else { state.bad + 1 };
        if state.cooldown > 0 {
            state.cooldown -= 1;
            state.bad = 0;
        } else if state.bad == config.patience {
            state.bad = 0;
            state.cooldown = config.cooldown;
            self.cut();
        }
    }

    fn keras(&mut self, improved: bool) {
        let state = &mut self.state;
        if state.cooldown > 0 {
            state.cooldown -= 1;
            state.bad = 0;
        }
        if improved {
            state.bad = 0;
        } else if state.cooldown == 0 {
            state.bad += 1;
            if state.bad >= self.config.patience && state.rate > self.config.least {
                state.bad = 0;
                state.cooldown = self.config.cooldown;
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        let rate = (self.state.rate * self.config.factor).max(self.config.least);
        if self.state.rate - rate > self.config.smallest_cut {
            self.state.rate = rate;
        }
    }
}

impl Feedback for ReduceOnPlateau {
    fn rate(&self) -> f64 {
        self.state.rate
    }

    fn observe(&mut self, metric: f64) -> f64 {
        let (config, state) = (&self.config, &mut self.state);
        state.sum += metric;
        state.count += 1;
        if state.count < config.accumulation {
            return state.rate;
        }
        let metric = state.sum / state.count as f64;
        (state.sum, state.count) = (0.0, 0);
        let improved = config.threshold.improves(config.mode, metric, state.best);
        if improved {
            state.best = Some(metric);
        }
        match config.rule {
            PlateauRule::Torch => self.torch(improved),
            PlateauRule::Optax => self.optax(improved),
            PlateauRule::Keras => self.keras(improved),
        }
        self.state.rate
    }

    fn to_scalars(&self) -> Vec<(String, f64)> {
        let PlateauState {
            rate,
            best,
            bad,
            cooldown,
            sum,
            count,
        } = self.state;
        let mut scalars = vec![
            ("rate".to_owned(), rate),
            ("bad".to_owned(), bad as f64),
            ("cooldown".to_owned(), cooldown as f64),
            ("sum".to_owned(), sum),
            ("count".to_owned(), count as f64),
        ];
        scalars.extend(best.map(|best| ("best".to_owned(), best)));
        scalars
    }

    fn load_scalars(&mut self, scalar: &dyn Fn(&str) -> Option<f64>) {
        let state = &mut self.state;
        let count = |key, old: usize| scalar(key).map_or(old, |value| value as usize);
        state.rate = scalar("rate").unwrap_or(state.rate);
        state.best = scalar("best").or(state.best);
        state.bad = count("bad", state.bad);
        state.cooldown = count("cooldown", state.cooldown);
        state.sum = scalar("sum").unwrap_or(state.sum);
        state.count = count("count", state.count);
    }
}
