//! # ReduceOnPlateau
//!
//! A rate that is cut when a metric has stopped improving.
//!
//! Source: torch's and Keras' `ReduceLROnPlateau`, optax's `contrib.reduce_on_plateau`, each with
//! its own rule.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use regimen_tensor::floats;
use serde::{Deserialize, Serialize};

use super::metric::{Mode, Threshold};
use super::reaction::{Followed, Reaction, count, named, reaction_setters, required};
use super::rule::Feedback;
use crate::error::{Error, Result, check, check_count, check_same};

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
/// | `smallest_change` | 1e-8 | 0 | 0 | a cut that is not larger is left out; 0 or more |
/// | `accumulation` | 1 | 1 | 1 | values whose mean counts as one; 1 or more |
///
/// The fields from `factor` to `smallest_change` are those of its [`Reaction`].
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
#[serde(remote = "Self")]
pub struct ReduceOnPlateauConfig {
    /// What sets off a cut.
    pub rule: PlateauRule,
    /// What it shares with the others.
    pub reaction: Reaction,
    /// Values whose mean counts as one.
    pub accumulation: usize,
}

impl ReduceOnPlateauConfig {
    /// torch's rule and defaults.
    #[must_use]
    pub fn torch() -> Self {
        let reaction = Reaction {
            mode: Mode::Min,
            factor: 0.1,
            patience: 10,
            threshold: Threshold::Relative(1e-4),
            cooldown: 0,
            least: 0.0,
            smallest_change: 1e-8,
        };
        let (rule, accumulation) = (PlateauRule::Torch, 1);
        Self {
            rule,
            reaction,
            accumulation,
        }
    }

    /// optax's rule and defaults.
    #[must_use]
    pub fn optax() -> Self {
        let mut config = Self::torch();
        config.rule = PlateauRule::Optax;
        config.reaction.smallest_change = 0.0;
        config
    }

    /// Keras' rule and defaults.
    #[must_use]
    pub fn keras() -> Self {
        let mut config = Self::torch().with_threshold(Threshold::Absolute(1e-4));
        config.rule = PlateauRule::Keras;
        config.reaction.smallest_change = 0.0;
        config
    }

    /// How long a cut is the last one.
    #[must_use]
    pub fn with_cooldown(mut self, cooldown: usize) -> Self {
        self.reaction.cooldown = cooldown;
        self
    }

    /// The least rate.
    #[must_use]
    pub fn with_least(mut self, least: f64) -> Self {
        self.reaction.least = least;
        self
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
        let state = PlateauState {
            followed: Followed::new(rate),
            ..PlateauState::default()
        };
        ReduceOnPlateau {
            config: self,
            state,
        }
        .checked()
    }
}

reaction_setters!(ReduceOnPlateauConfig);

/// Where a [`ReduceOnPlateau`] stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct PlateauState {
    /// What it shares with the others.
    #[serde(flatten)]
    pub followed: Followed,
    /// Sum of the values that will count as one; not finite if one of them was not.
    #[serde(with = "floats")]
    pub sum: f64,
    /// How many they are so far.
    pub count: usize,
}

/// A rate that is cut when a metric has stopped improving: see [`ReduceOnPlateauConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ReduceOnPlateau {
    config: ReduceOnPlateauConfig,
    state: PlateauState,
}
checked_serde!(ReduceOnPlateau, ReduceOnPlateauConfig, PlateauState);

impl Checked for ReduceOnPlateau {
    type Error = Error;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        self.state.check()?;
        let (count, accumulation) = (self.state.count, self.config.accumulation);
        check(
            "count",
            count as f64,
            count < accumulation,
            "fewer than `accumulation`",
        )
    }
}

impl Checked for ReduceOnPlateauConfig {
    type Error = Error;

    fn check(&self) -> Result<()> {
        self.reaction.check()?;
        let patience = self.reaction.patience;
        check(
            "patience",
            patience as f64,
            patience > 0 || self.rule == PlateauRule::Torch,
            "1 or more, or 0 with torch's rule",
        )?;
        check_count("accumulation", self.accumulation)
    }
}

impl Checked for PlateauState {
    type Error = Error;

    fn check(&self) -> Result<()> {
        self.followed.check()?;
        let none = self.count > 0 || self.sum == 0.0;
        let allowed = "0 where no value is counted";
        check("sum", if none { 0.0 } else { self.sum }, none, allowed)
    }
}

impl ReduceOnPlateau {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &PlateauState {
        &self.state
    }

    /// Whether a value, judged already, sets off a cut.
    fn cuts(&mut self, improved: bool) -> bool {
        let (reaction, state) = (&self.config.reaction, &mut self.state.followed);
        let paused = state.cooldown > 0;
        state.cooldown = state.cooldown.saturating_sub(1);
        if paused {
            // Keras counts the cooldown's last value.
            let counts = self.config.rule == PlateauRule::Keras && state.cooldown == 0;
            state.bad = usize::from(counts && !improved);
        }
        match self.config.rule {
            PlateauRule::Torch => state.bad > reaction.patience,
            PlateauRule::Optax => state.bad >= reaction.patience && !paused,
            PlateauRule::Keras => state.bad >= reaction.patience && state.rate > reaction.least,
        }
    }
}

impl Feedback for ReduceOnPlateau {
    fn rate(&self) -> f64 {
        self.state.followed.rate
    }

    fn observe(&mut self, metric: f64) -> f64 {
        let (config, state) = (self.config, &mut self.state);
        state.sum += metric;
        state.count += 1;
        if state.count >= config.accumulation {
            let metric = state.sum / state.count as f64;
            (state.sum, state.count) = (0.0, 0);
            let improved = state.followed.improves(&config.reaction, metric);
            if self.cuts(improved) {
                self.state.followed.cut(&config.reaction);
            }
        }
        self.rate()
    }

    fn to_scalars(&self) -> Vec<(String, f64)> {
        let PlateauState {
            followed,
            sum,
            count,
        } = self.state;
        let mut scalars = followed.to_scalars();
        scalars.extend(named([("sum", sum), ("count", count as f64)]));
        scalars
    }

    fn load_scalars(&mut self, scalar: &dyn Fn(&str) -> Option<f64>) -> Result<()> {
        let state = PlateauState {
            followed: Followed::from_scalars(scalar)?,
            sum: required(scalar, "sum")?,
            count: count(scalar, "count")?,
        };
        *self = Self { state, ..*self }.checked()?;
        Ok(())
    }
}

impl Part for ReduceOnPlateau {
    fn kind(&self) -> String {
        "reduce-on-plateau 1".into()
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
