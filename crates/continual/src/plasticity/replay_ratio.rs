//! # ReplayRatio
//!
//! How many updates to make at each step of an environment or stream: few until the critic's active units settle, then many.
//!
//! Source: Ma et al., "Revisiting Plasticity in Visual Reinforcement Learning" (arXiv 2310.07418), section 6, with the window of the released
//! code (Guozheng-Ma/Adaptive-Replay-Ratio).

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use crate::error::{check, strength};
use crate::{ContinualError, Result};

/// Updates a step at most.
const MOST: f64 = 1e6;

/// How a [`ReplayRatio`] is made.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `low` | .5 | updates a step before the switch, above 0 |
/// | `high` | 2 | updates a step after it, `low` to 1e6 |
/// | `tau` | .001 | largest change of the measure that counts as settled, 0 or more |
/// | `interval` | | steps from one comparison to the next, at least 1: 2,000 for Atari, 50 episodes for the control suite |
/// | `window` | `interval / 50`, at least 2 steps | last steps of an interval over which the measure is averaged, 1 to `interval` |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayRatioConfig {
    /// Updates a step before the switch.
    pub low: f64,
    /// Updates a step after it.
    pub high: f64,
    /// Largest change that counts as settled.
    pub tau: f64,
    /// Steps from one comparison to the next.
    pub interval: u64,
    /// Last steps of an interval over which the measure is averaged.
    pub window: u64,
}

impl ReplayRatioConfig {
    /// Compares every so many steps; else the paper's values.
    #[must_use]
    pub fn new(interval: u64) -> Self {
        Self {
            low: 0.5,
            high: 2.0,
            tau: 0.001,
            interval,
            window: (interval / 50).max(2).min(interval),
        }
    }

    /// With other updates a step before the switch.
    #[must_use]
    pub fn with_low(self, low: f64) -> Self {
        Self { low, ..self }
    }

    /// With other updates a step after the switch.
    #[must_use]
    pub fn with_high(self, high: f64) -> Self {
        Self { high, ..self }
    }

    /// With another largest change that counts as settled.
    #[must_use]
    pub fn with_tau(self, tau: f64) -> Self {
        Self { tau, ..self }
    }

    /// With another window.
    #[must_use]
    pub fn with_window(self, window: u64) -> Self {
        Self { window, ..self }
    }

    /// Before the first step.
    ///
    /// # Errors
    /// If a number is outside of its range.
    pub fn init(&self) -> Result<ReplayRatio> {
        let new = ReplayRatio {
            config: *self,
            step: 0,
            credit: 0.0,
            reference: None,
            sum: 0.0,
            count: 0,
            switched: None,
        };
        new.checked()
    }
}

/// The adaptive replay ratio: plain data, driven by the loop that trains.
///
/// ```text
/// at each comparison t:  |phi(t) - phi(t - interval)| <= tau  =>  low becomes high, for good
/// ```
///
/// `phi` is the mean, over the updates in the last `window` steps before t, of what [`observe`](Self::observe) is told: the share of active units
/// of the critic ([`active`](crate::plasticity::active)) on the training batch, before its update. The first value that is observed is the first
/// reference and belongs to no window. An interval without an update in its window is not compared. Updates come from a credit:
/// a ratio of .5 is one update every second step, 2 is two at every step.
///
/// The same loop serves an agent and a stream of examples:
///
/// ```
/// use regimen_continual::plasticity::ReplayRatioConfig;
///
/// let mut ratio = ReplayRatioConfig::new(4).with_window(2).init()?;
/// let mut updates = 0;
/// for step in 0..20 {
///     // `environment.step(action)`, or the next example of a stream, goes into the replay buffer here
///     for _ in 0..ratio.step() {
///         // let (logits, activations) = critic.probed(&batch)?;
///         if ratio.watches() {
///             let active = if step < 8 { 0.5 - 0.05 * step as f64 } else { 0.1 }; // `active(&activations)`
///             ratio.observe(active)?;
///         }
///         updates += 1; // the optimizer's step
///     }
/// }
/// assert_eq!(ratio.switched(), Some(16));
/// assert_eq!(updates, 8 + 8);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ReplayRatio {
    config: ReplayRatioConfig,
    step: u64,
    credit: f64,
    reference: Option<f64>,
    sum: f64,
    count: u64,
    switched: Option<u64>,
}
checked_serde!(ReplayRatio);

impl ReplayRatio {
    /// How it was made.
    #[must_use]
    pub fn config(&self) -> &ReplayRatioConfig {
        &self.config
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Updates a step at present.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        match self.switched {
            Some(_) => self.config.high,
            None => self.config.low,
        }
    }

    /// After how many steps the ratio became the high one; none before.
    #[must_use]
    pub fn switched(&self) -> Option<u64> {
        self.switched
    }

    /// What the next comparison compares with; none before the first update.
    #[must_use]
    pub fn reference(&self) -> Option<f64> {
        self.reference
    }

    /// A step of the environment or stream was taken: compares where an interval ended before it, and says how many updates to make now.
    pub fn step(&mut self) -> usize {
        if self.step > 0 && self.step.is_multiple_of(self.config.interval) {
            self.compare();
        }
        self.step = self.step.saturating_add(1);
        self.credit += self.ratio();
        let due = self.credit.floor();
        self.credit -= due;
        due as usize
    }

    /// Whether the measure of the next update is needed: outside of windows and after the switch it is not, and need not be computed.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.switched.is_none() && (self.reference.is_none() || self.in_window())
    }

    /// The measure of an update, on its batch and before it. What is not [watched](Self::watches) is not kept.
    ///
    /// # Errors
    /// [`ContinualError::NotFinite`] if it is NaN or infinite: it is left out.
    pub fn observe(&mut self, measure: f64) -> Result<()> {
        if !measure.is_finite() {
            return Err(ContinualError::NotFinite("the measures of updates".into()));
        }
        if self.switched.is_some() {
            return Ok(());
        }
        if self.reference.is_none() {
            self.reference = Some(measure);
        } else if self.in_window() {
            self.sum += measure;
            self.count = self.count.saturating_add(1);
        }
        Ok(())
    }

    fn in_window(&self) -> bool {
        let ReplayRatioConfig {
            interval, window, ..
        } = self.config;
        let Some(last) = self.step.checked_sub(1) else {
            return false;
        };
        last % interval >= interval - window
    }

    fn compare(&mut self) {
        let (sum, count) = (self.sum, self.count);
        (self.sum, self.count) = (0.0, 0);
        let (None, Some(before), 1..) = (self.switched, self.reference, count) else {
            return;
        };
        let mean = sum / count as f64;
        self.reference = Some(mean);
        if (mean - before).abs() <= self.config.tau {
            self.switched = Some(self.step);
        }
    }
}

impl Checked for ReplayRatio {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        let ReplayRatioConfig {
            low,
            high,
            tau,
            interval,
            window,
        } = self.config;
        check("low", low, low > 0.0 && low <= MOST, "above 0, at most 1e6")?;
        let within = high >= low && high <= MOST;
        check("high", high, within, "`low` to 1e6")?;
        strength("tau", tau)?;
        if interval == 0 {
            return Err(ContinualError::range("interval", interval, "at least 1"));
        }
        if !(1..=interval).contains(&window) {
            let allowed = format!("1 to `interval`, {interval}");
            return Err(ContinualError::range("window", window, &allowed));
        }
        let within = (0.0..1.0).contains(&self.credit);
        check("credit", self.credit, within, "0 up to, not including, 1")?;
        for (field, value) in [("reference", self.reference), ("sum", Some(self.sum))] {
            check(field, value.unwrap_or_default(), true, "finite")?;
        }
        if let Some(switched) = self.switched.filter(|switched| *switched > self.step) {
            let allowed = format!("at most the steps, {}", self.step);
            return Err(ContinualError::range("switched", switched, &allowed));
        }
        Ok(())
    }
}

impl Part for ReplayRatio {
    fn kind(&self) -> String {
        "replay-ratio 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        json::save(self)
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        *self = json::load(bytes)?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The ratio after each comparison, with one update an interval.
    fn ratios(measures: &[f64]) -> Vec<f64> {
        let config = ReplayRatioConfig::new(4).with_window(2);
        let mut ratio = config.init().unwrap();
        // The first update is at step 2, outside of the window: the first reference.
        let mut values = measures.iter();
        let mut seen = Vec::new();
        for step in 1..=4 * measures.len() as u64 - 3 {
            let due = ratio.step();
            if step > 1 && step % 4 == 1 {
                seen.push(ratio.ratio());
            }
            for _ in 0..due {
                if ratio.watches()
                    && let Some(value) = values.next()
                {
                    ratio.observe(*value).unwrap();
                }
            }
        }
        seen
    }

    #[test]
    fn the_checkpoints_of_the_specification() {
        let measures = [0.48, 0.40, 0.33, 0.300, 0.2995, 0.31];
        assert_eq!(ratios(&measures), [0.5, 0.5, 0.5, 2.0, 2.0]);
    }

    #[test]
    fn half_an_update_is_every_second_step_and_two_are_every_step() {
        let updates = |low: f64| -> Vec<usize> {
            let config = ReplayRatioConfig::new(100).with_low(low).with_high(2.0);
            let mut ratio = config.init().unwrap();
            (0..6).map(|_| ratio.step()).collect()
        };
        assert_eq!(updates(0.5), [0, 1, 0, 1, 0, 1]);
        assert_eq!(updates(2.0), [2; 6]);
    }

    #[test]
    fn a_window_is_averaged_and_the_rest_of_an_interval_is_not_seen() {
        let config = ReplayRatioConfig::new(10).with_window(3).with_low(1.0);
        let mut ratio = config.init().unwrap();
        for step in 0..10 {
            ratio.step();
            assert_eq!(ratio.watches(), step == 0 || step >= 7);
            ratio.observe(f64::from(step)).unwrap();
        }
        assert_eq!(ratio.reference(), Some(0.0));
        ratio.step();
        assert_eq!(ratio.reference(), Some(8.0));
    }

    #[test]
    fn an_interval_without_an_update_in_its_window_is_not_compared() {
        let config = ReplayRatioConfig::new(2).with_window(1).with_low(0.25);
        let mut ratio = config.init().unwrap();
        for _ in 0..4 {
            for _ in 0..ratio.step() {
                ratio.observe(0.5).unwrap();
            }
        }
        ratio.step();
        // The one update was the reference: there is nothing to compare with it.
        assert_eq!((ratio.reference(), ratio.switched()), (Some(0.5), None));
        assert!(ratio.observe(f64::NAN).is_err());
    }

    proptest! {
        /// Once switched, whatever is observed, it stays; a stop in between changes nothing.
        #[test]
        fn one_way_and_resumable(measures in prop::collection::vec(0.0..1.0_f64, 1..60), stop in 0usize..60) {
            let config = ReplayRatioConfig::new(5).with_window(3).with_low(1.0).with_tau(0.1);
            let mut ratio = config.init().unwrap();
            let mut high = false;
            for (step, measure) in measures.iter().enumerate() {
                ratio.step();
                ratio.observe(*measure).unwrap();
                prop_assert!(!high || ratio.ratio() == 2.0);
                high = ratio.switched().is_some();
                if step == stop {
                    let text = serde_json::to_string(&ratio).unwrap();
                    let again: ReplayRatio = serde_json::from_str(&text).unwrap();
                    prop_assert_eq!(&again, &ratio);
                    ratio = again;
                }
            }
        }

        /// Updates are the ratio times the steps, less than one off.
        #[test]
        fn updates_follow_the_ratio(low in 0.01..20.0_f64, steps in 1usize..200) {
            let mut ratio = ReplayRatioConfig::new(1000).with_low(low).with_high(20.0).init().unwrap();
            let made: usize = (0..steps).map(|_| ratio.step()).sum();
            prop_assert!((made as f64 - low * steps as f64).abs() < 1.0 + 1e-6);
        }
    }
}
