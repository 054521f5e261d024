//! # Greedy
//!
//! A rate that is raised while a metric improves and cut when it does not.
//!
//! Source: GreedyLR, Subramanian and Ganapathiraman, "Zeroth Order GreedyLR", as in transformers.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Feedback, Mode, Threshold};
use crate::error::{Result, check};

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
pub struct GreedyConfig {
    /// Which direction of the metric is better.
    pub mode: Mode,
    /// The factor of a change.
    pub factor: f64,
    /// Values in a row that are let pass.
    pub patience: usize,
    /// What counts as an improvement.
    pub threshold: Threshold,
    /// Values that are let pass after a raise.
    pub warmup: usize,
    /// Values that are let pass after a cut.
    pub cooldown: usize,
    /// The least rate.
    pub least: f64,
    /// The largest rate.
    pub most: f64,
    /// A change must be larger than this.
    pub smallest_change: f64,
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
        Self {
            mode: Mode::Min,
            factor: 0.95,
            patience: 10,
            threshold: Threshold::Absolute(1e-6),
            warmup: 0,
            cooldown: 0,
            least: 1e-3,
            most: 1.0,
            smallest_change: 1e-8,
            window: 1,
            reset_after: 500,
        }
    }

    /// Which direction is better.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The factor of a change.
    #[must_use]
    pub fn with_factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// How many values in a row are let pass.
    #[must_use]
    pub fn with_patience(self, patience: usize) -> Self {
        Self { patience, ..self }
    }

    /// What counts as an improvement.
    #[must_use]
    pub fn with_threshold(self, threshold: Threshold) -> Self {
        Self { threshold, ..self }
    }

    /// How many values are let pass after a raise and after a cut.
    #[must_use]
    pub fn with_pauses(self, warmup: usize, cooldown: usize) -> Self {
        Self {
            warmup,
            cooldown,
            ..self
        }
    }

    /// The rate's bounds.
    #[must_use]
    pub fn with_bounds(self, least: f64, most: f64) -> Self {
        Self {
            least,
            most,
            ..self
        }
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
        let factor = self.factor;
        check("rate", rate, rate >= 0.0, "0 or more")?;
        check(
            "factor",
            factor,
            factor > 0.0 && factor < 1.0,
            "between 0 and 1",
        )?;
        self.threshold.check()?;
        check("least", self.least, self.least >= 0.0, "0 or more")?;
        check(
            "most",
            self.most,
            self.most >= self.least,
            "`least` or more",
        )?;
        let change = self.smallest_change;
        check("smallest_change", change, change >= 0.0, "0 or more")?;
        check("window", self.window as f64, self.window > 0, "1 or more")?;
        check(
            "reset_after",
            self.reset_after as f64,
            self.reset_after > 0,
            "1 or more",
        )?;
        let state = GreedyState::new(rate, self.reset_after);
        Ok(Greedy {
            config: self,
            first: rate,
            state,
        })
    }
}

/// Where a [`Greedy`] stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GreedyState {
    /// The rate now.
    pub rate: f64,
    /// The best judged value so far.
    pub best: Option<f64>,
    /// Stagnations in a row.
    pub bad: usize,
    /// Improvements in a row.
    pub good: usize,
    /// Values that are left of the pause after a raise.
    pub warmup: usize,
    /// Values that are left of the pause after a cut.
    pub cooldown: usize,
    /// Cuts at the least rate that are left until it starts anew.
    pub until_reset: usize,
    /// The last values.
    pub window: VecDeque<f64>,
}

impl GreedyState {
    fn new(rate: f64, until_reset: usize) -> Self {
        Self {
            rate,
            best: None,
            bad: 0,
            good: 0,
            warmup: 0,
            cooldown: 0,
            until_reset,
            window: VecDeque::new(),
        }
    }
}

/// A rate that is raised while a metric improves and cut when it does not: see [`GreedyConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Greedy {
    config: GreedyConfig,
    first: f64,
    state: GreedyState,
}

impl Greedy {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &GreedyState {
        &self.state
    }

    fn raise(&mut self) {
        let (config, state) = (&self.config, &mut self.state);
        (state.warmup, state.good) = (config.warmup, 0);
        let rate = (state.rate / config.factor).min(config.most);
        if rate - state.rate > config.smallest_change {
            state.rate = rate;
        }
        state.until_reset = config.reset_after;
    }

    fn cut(&mut self) {
        let (config, state) = (&self.config, &mut self.state);
        let rate = (state.rate * config.factor).max(config.least);
        if state.rate - rate > config.smallest_change {
            state.rate = rate;
        }
        (state.cooldown, state.bad) = (config.cooldown, 0);
        if state.rate > config.least {
            return;
        }
        state.until_reset = state.until_reset.saturating_sub(1);
        if state.until_reset == 0 {
            let cooldown = config.cooldown;
            self.state = GreedyState::new(self.first, config.reset_after);
            self.state.cooldown = cooldown;
        }
    }
}

impl Feedback for Greedy {
    fn rate(&self) -> f64 {
        self.state.rate
    }

    fn observe(&mut self, metric: f64) -> f64 {
        let (config, state) = (&self.config, &mut self.state);
        state.window.push_back(metric);
        if state.window.len() > config.window {
            state.window.pop_front();
        }
        let metric = state.window.iter().sum::<f64>() / state.window.len() as f64;
        let pause = if state.cooldown > 0 {
            &mut state.cooldown
        } else {
            &mut state.warmup
        };
        if *pause > 0 {
            *pause -= 1;
            (state.bad, state.good) = (0, 0);
            return state.rate;
        }
        if config.threshold.improves(config.mode, metric, state.best) {
            state.best = Some(metric);
            (state.bad, state.good) = (0, state.good + 1);
        } else {
            (state.bad, state.good) = (state.bad + 1, 0);
        }
        if state.good > config.patience {
            self.raise();
        } else if state.bad > config.patience {
            self.cut();
        }
        self.state.rate
    }

    fn to_scalars(&self) -> Vec<(String, f64)> {
        let state = &self.state;
        let mut scalars = vec![
            ("rate".to_owned(), state.rate),
            ("bad".to_owned(), state.bad as f64),
            ("good".to_owned(), state.good as f64),
            ("warmup".to_owned(), state.warmup as f64),
            ("cooldown".to_owned(), state.cooldown as f64),
            ("until_reset".to_owned(), state.until_reset as f64),
        ];
        scalars.extend(state.best.map(|best| ("best".to_owned(), best)));
        let window = state.window.iter().enumerate();
        scalars.extend(window.map(|(index, value)| (format!("window{index}"), *value)));
        scalars
    }

    fn load_scalars(&mut self, scalar: &dyn Fn(&str) -> Option<f64>) {
        let state = &mut self.state;
        let count = |key, old: usize| scalar(key).map_or(old, |value| value as usize);
        state.rate = scalar("rate").unwrap_or(state.rate);
        state.best = scalar("best").or(state.best);
        state.bad = count("bad", state.bad);
        state.good = count("good", state.good);
        state.warmup = count("warmup", state.warmup);
        state.cooldown = count("cooldown", state.cooldown);
        state.until_reset = count("until_reset", state.until_reset);
        let window = (0..self.config.window).map_while(|index| scalar(&format!("window{index}")));
        state.window = window.collect();
    }
}
