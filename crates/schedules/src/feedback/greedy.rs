//! # Greedy
//!
//! A rate that is raised while a metric improves and cut when it does not.
//!
//! Source: GreedyLR, Subramanian and Ganapathiraman, "Zeroth Order GreedyLR", as in transformers.

use std::collections::VecDeque;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use super::metric::{Mode, Threshold};
use super::reaction::{Followed, Reaction, count, named, reaction_setters};
use super::rule::Feedback;
use crate::error::{Error, Result, check, check_count, check_not_negative, check_same};

/// How a greedy rate reacts.
///
/// | field | default | range |
/// |---|---|---|
/// | `factor` | 0.95 | a raise divides by it, a cut multiplies; between 0 and 1 |
/// | `patience` | 10 | improvements, or stagnations, in a row that are let pass |
/// | `threshold` | absolute 1e-6 | what counts as an improvement; 0 or more |
/// | `warmup`, `cooldown` | 0 | values that are let pass after a raise, after a cut |
/// | `least`, `most` | 1e-3, 1 | bounds of the rate; 0 or more |
/// | `smallest_change` | 1e-8 | a change that is not larger is left out; 0 or more |
/// | `window` | 1 | values whose mean is judged; 1 or more |
/// | `reset_after` | 500 | cuts at the least rate until it starts anew; 1 or more |
///
/// `factor`, `patience`, `threshold`, `cooldown`, `least` and `smallest_change` are fields of its
/// [`Reaction`].
///
/// ```
/// use regimen_schedules::{Feedback, GreedyConfig};
///
/// let mut rate = GreedyConfig::new().with_factor(0.5).with_patience(1).init(0.25)?;
/// let rates = [1.0, 0.9, 0.8, 0.7, 0.7, 0.7].map(|loss| rate.observe(loss));
/// assert_eq!(rates, [0.25, 0.5, 0.5, 1.0, 1.0, 0.5]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[doc(alias("GreedyLR", "get_greedy_schedule"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct GreedyConfig {
    /// What it shares with the others.
    pub reaction: Reaction,
    /// Values that are let pass after a raise.
    pub warmup: usize,
    /// The largest rate.
    pub most: f64,
    /// Values whose mean is judged.
    pub window: usize,
    /// Cuts at the least rate until it starts anew.
    pub reset_after: usize,
}

impl Default for GreedyConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl GreedyConfig {
    /// The defaults of transformers, without smoothing.
    #[must_use]
    pub fn new() -> Self {
        let reaction = Reaction {
            mode: Mode::Min,
            factor: 0.95,
            patience: 10,
            threshold: Threshold::Absolute(1e-6),
            cooldown: 0,
            least: 1e-3,
            smallest_change: 1e-8,
        };
        Self {
            reaction,
            warmup: 0,
            most: 1.0,
            window: 1,
            reset_after: 500,
        }
    }

    /// How many values are let pass after a raise and after a cut.
    #[must_use]
    pub fn with_pauses(mut self, warmup: usize, cooldown: usize) -> Self {
        self.warmup = warmup;
        self.reaction.cooldown = cooldown;
        self
    }

    /// The rate's bounds.
    #[must_use]
    pub fn with_bounds(mut self, least: f64, most: f64) -> Self {
        self.most = most;
        self.reaction.least = least;
        self
    }

    /// Judges the mean of the last `window` values.
    #[must_use]
    pub fn with_window(self, window: usize) -> Self {
        Self { window, ..self }
    }

    /// Starts anew after so many cuts at the least rate.
    #[must_use]
    pub fn with_reset_after(self, cuts: usize) -> Self {
        Self {
            reset_after: cuts,
            ..self
        }
    }

    /// Starts at a rate, finite and 0 or more.
    ///
    /// # Errors
    /// If a field or the rate is out of its range.
    pub fn init(self, rate: f64) -> Result<Greedy> {
        Greedy {
            config: self,
            first: rate,
            state: GreedyState::new(rate, self.reset_after),
        }
        .checked()
    }
}

reaction_setters!(GreedyConfig);

/// Where a [`Greedy`] stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct GreedyState {
    /// What it shares with the others.
    #[serde(flatten)]
    pub followed: Followed,
    /// Improvements in a row.
    pub good: usize,
    /// Values that are left of the pause after a raise.
    pub warmup: usize,
    /// Cuts at the least rate that are left until it starts anew.
    pub until_reset: usize,
    /// The last values, those that are not finite too.
    #[serde(with = "window")]
    pub window: VecDeque<f64>,
}

/// The window in a file.
mod window {
    use std::collections::VecDeque;

    use regimen_tensor::floats;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        values: &VecDeque<f64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        floats::serialize(&Vec::from_iter(values.iter().copied()), to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<VecDeque<f64>, D::Error> {
        floats::deserialize::<Vec<f64>, D>(from).map(VecDeque::from)
    }
}

impl GreedyState {
    fn new(rate: f64, until_reset: usize) -> Self {
        Self {
            followed: Followed::new(rate),
            good: 0,
            warmup: 0,
            until_reset,
            window: VecDeque::new(),
        }
    }
}

/// A rate that is raised while a metric improves and cut when it does not: see [`GreedyConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Greedy {
    config: GreedyConfig,
    first: f64,
    state: GreedyState,
}
checked_serde!(Greedy, GreedyConfig, GreedyState);

impl Checked for Greedy {
    type Error = Error;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        check_not_negative("rate", self.first)?;
        self.state.check()?;
        let (config, state) = (&self.config, &self.state);
        let left = (1..=config.reset_after).contains(&state.until_reset);
        let allowed = "1 to `reset_after`";
        check("until_reset", state.until_reset as f64, left, allowed)?;
        let length = state.window.len();
        let fits = length <= config.window;
        check("window", length as f64, fits, "no longer than configured")
    }
}

impl Checked for GreedyConfig {
    type Error = Error;

    fn check(&self) -> Result<()> {
        self.reaction.check()?;
        let (least, most) = (self.reaction.least, self.most);
        check("most", most, most >= least, "`least` or more")?;
        check_count("window", self.window)?;
        check_count("reset_after", self.reset_after)
    }
}

impl Checked for GreedyState {
    type Error = Error;

    fn check(&self) -> Result<()> {
        self.followed.check()
    }
}

impl Greedy {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &GreedyState {
        &self.state
    }

    fn raise(&mut self) {
        let (config, state) = (&self.config, &mut self.state);
        let (old, reaction) = (state.followed.rate, &config.reaction);
        let rate = (old / reaction.factor).min(config.most);
        if rate - old > reaction.smallest_change {
            state.followed.rate = rate;
        }
        (state.warmup, state.good) = (config.warmup, 0);
        state.until_reset = config.reset_after;
    }

    fn cut(&mut self) {
        let (config, state) = (&self.config, &mut self.state);
        state.followed.cut(&config.reaction);
        if state.followed.rate > config.reaction.least {
            return;
        }
        state.until_reset = state.until_reset.saturating_sub(1);
        if state.until_reset == 0 {
            *state = GreedyState::new(self.first, config.reset_after);
            state.followed.cooldown = config.reaction.cooldown;
        }
    }

    /// The mean of the last values, the next one with them.
    fn smoothed(&mut self, metric: f64) -> f64 {
        let window = &mut self.state.window;
        window.push_back(metric);
        if window.len() > self.config.window {
            window.pop_front();
        }
        window.iter().sum::<f64>() / window.len() as f64
    }

    /// Whether a pause, if there is one, takes the value.
    fn pauses(&mut self) -> bool {
        let state = &mut self.state;
        let pause = if state.followed.cooldown > 0 {
            &mut state.followed.cooldown
        } else {
            &mut state.warmup
        };
        if *pause == 0 {
            return false;
        }
        *pause -= 1;
        (state.followed.bad, state.good) = (0, 0);
        true
    }
}

impl Feedback for Greedy {
    fn rate(&self) -> f64 {
        self.state.followed.rate
    }

    fn observe(&mut self, metric: f64) -> f64 {
        let metric = self.smoothed(metric);
        if self.pauses() {
            return self.rate();
        }
        let (reaction, state) = (&self.config.reaction, &mut self.state);
        let improved = state.followed.improves(reaction, metric);
        state.good = if improved {
            state.good.saturating_add(1)
        } else {
            0
        };
        if state.good > reaction.patience {
            self.raise();
        } else if state.followed.bad > reaction.patience {
            self.cut();
        }
        self.rate()
    }

    fn to_scalars(&self) -> Vec<(String, f64)> {
        let state = &self.state;
        let mut scalars = state.followed.to_scalars();
        scalars.extend(named([
            ("good", state.good as f64),
            ("warmup", state.warmup as f64),
            ("until_reset", state.until_reset as f64),
        ]));
        let window = state.window.iter().enumerate();
        scalars.extend(window.map(|(index, value)| (format!("window{index}"), *value)));
        scalars
    }

    fn load_scalars(&mut self, scalar: &dyn Fn(&str) -> Option<f64>) -> Result<()> {
        let window = (0..self.config.window).map_while(|index| scalar(&format!("window{index}")));
        let state = GreedyState {
            followed: Followed::from_scalars(scalar)?,
            good: count(scalar, "good")?,
            warmup: count(scalar, "warmup")?,
            until_reset: count(scalar, "until_reset")?,
            window: window.collect(),
        };
        let (config, first) = (self.config, self.first);
        *self = Self {
            config,
            first,
            state,
        }
        .checked()?;
        Ok(())
    }
}

impl Part for Greedy {
    fn kind(&self) -> String {
        "greedy 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    /// The saved configuration and first rate must be the same.
    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let read: Self = json::load(bytes)?;
        check_same("config", &read.config, &self.config)?;
        check_same("rate", &read.first, &self.first)?;
        *self = read;
        Ok(())
    }
}
