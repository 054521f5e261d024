//! # AnnealingLaw
//!
//! The loss after every update of a run, from its rates alone: a power law of their sum, less what annealing gains.
//!
//! Source: Tissue, Wang and Wang, "Scaling Law with Learning Rate Annealing" (arXiv 2408.11029), the law itself.

use regimen_tensor::checked::Checked;
use regimen_tensor::{Watch, checked_serde};
use serde::{Deserialize, Serialize};

use super::areas::{Areas, RunningAreas};
use crate::curve::Curve;
use crate::error::{
    Error, MOST_VALUES, Result, check, check_finite, check_most, check_not_negative, check_positive,
};
use crate::schedule::Schedule;
use crate::values::{Constant, Wsd};

/// `L(s) = floor + scale S1(s)^-exponent - gain S2(s)`, in nats, with the [`Areas`] `S1` and `S2` of the run's rates.
///
/// It holds for one model, one data set, one batch size and rates that do not upset training.
///
/// ```
/// use regimen_schedules::forecast::law::AnnealingLaw;
/// use regimen_schedules::{Cosine, Curve, ScheduleExt, Wsd};
///
/// let law = AnnealingLaw { floor: 3.057, scale: 0.490, exponent: 0.497, gain: 0.299, memory: 0.999 };
/// let cosine = law.predict(&Cosine::new(2e-4, 20_000)?.table(20_001)?, 0)?;
/// let cooled = Wsd::new(2e-4, 0, 16_000, 4_000)?.with_curve(Curve::Linear)?;
/// let cooled = law.predict(&cooled.table(20_001)?, 0)?;
/// assert!((cosine[20_000] - 3.3451139).abs() < 1e-6);
/// assert!((cooled[20_000] - 3.2711055).abs() < 1e-6);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct AnnealingLaw {
    /// `L0`, the loss that is left in the end, above 0.
    pub floor: f64,
    /// `A`, 0 or more.
    pub scale: f64,
    /// `alpha`, 0 or more.
    pub exponent: f64,
    /// `C`, what a unit of the annealing area gains, 0 or more.
    pub gain: f64,
    /// `lambda` of the annealing area, in `0..1`: it is chosen, not fitted.
    pub memory: f64,
}

checked_serde!(AnnealingLaw, Cooldown);

impl Checked for AnnealingLaw {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_positive("floor", self.floor)?;
        check_not_negative("scale", self.scale)?;
        check_not_negative("exponent", self.exponent)?;
        check_not_negative("gain", self.gain)?;
        let memory = self.memory;
        check(
            "memory",
            memory,
            (0.0..1.0).contains(&memory),
            "0 to below 1",
        )
    }
}

impl AnnealingLaw {
    /// The loss after each update of a run with these rates, of which the first `warmup` warm up.
    ///
    /// # Errors
    /// If a parameter of the law is out of its range, or as [`Areas::of`].
    pub fn predict(&self, rates: &[f64], warmup: usize) -> Result<Vec<f64>> {
        self.check()?;
        let areas = Areas::of(rates, warmup, self.memory)?;
        let pairs = areas.forward.iter().zip(&areas.annealing);
        Ok(pairs.map(|(one, two)| self.loss(*one, *two)).collect())
    }

    /// The loss at these areas; infinite before the first rate above 0.
    #[must_use]
    pub fn loss(&self, forward: f64, annealing: f64) -> f64 {
        if forward == 0.0 {
            return f64::INFINITY;
        }
        self.floor + self.scale * forward.powf(-self.exponent) - self.gain * annealing
    }

    /// The predicted loss at the end of `updates` by `rate`, 1 to `2^27`.
    ///
    /// # Errors
    /// If there are more updates, or as [`Self::predict`].
    pub fn last(
        &self,
        rate: &(impl Schedule + Sync),
        updates: usize,
        warmup: usize,
    ) -> Result<f64> {
        self.check()?;
        check_most("updates", updates, MOST_VALUES)?;
        if updates <= warmup {
            return Err(Error::TooFew {
                field: "updates",
                found: updates,
                needed: warmup.saturating_add(1),
            });
        }
        let mut areas = RunningAreas::new(self.memory)?;
        let peak = rate.at(warmup);
        for _ in 0..warmup {
            areas.observe(peak)?;
        }
        let mut rates = [0.0; CHUNK];
        for start in (warmup..updates).step_by(CHUNK) {
            let rates = &mut rates[..CHUNK.min(updates - start)];
            rate.fill(start, rates);
            rates.iter().try_for_each(|rate| areas.observe(*rate))?;
        }
        Ok(self.loss(areas.forward(), areas.annealing()))
    }

    /// The best of some schedules for a run of `updates`: its index and predicted last loss.
    ///
    /// # Errors
    /// If there is none, or as [`Self::predict`].
    pub fn best<S: Schedule + Sync>(
        &self,
        rates: &[S],
        updates: usize,
        warmup: usize,
    ) -> Result<(usize, f64)> {
        let mut best: Option<(usize, f64)> = None;
        for (index, rate) in rates.iter().enumerate() {
            let loss = self.last(rate, updates, warmup)?;
            if best.is_none_or(|(_, least)| loss < least) {
                best = Some((index, loss));
            }
        }
        best.ok_or(Error::TooFew {
            field: "rates",
            found: 0,
            needed: 1,
        })
    }

    /// The cool-down that the law says is best for a run of `updates` at `peak`: a constant rate, then linear to 0, over
    /// each whole percent of the updates that follow the warm-up.
    ///
    /// A law by itself is taken at its word: [`Cooldown::error`] is `None`. That of a fit is judged by the fit's error:
    /// [`AnnealingFit::best_cooldown`](super::AnnealingFit::best_cooldown).
    ///
    /// # Errors
    /// If `peak` is not above 0, the warm-up leaves fewer than 100 updates, or there are more than `2^22`.
    pub fn best_cooldown(&self, peak: f64, updates: usize, warmup: usize) -> Result<Cooldown> {
        self.best_cooldown_watched(peak, updates, warmup, &Watch::default())
    }

    /// [`best_cooldown`](Self::best_cooldown), watched as `"cooldown"`: a step is one of the 100 cool-downs, from the shortest. Work
    /// that is stopped returns the best of those so far.
    ///
    /// # Errors
    /// As [`best_cooldown`](Self::best_cooldown).
    pub fn best_cooldown_watched(
        &self,
        peak: f64,
        updates: usize,
        warmup: usize,
        watch: &Watch,
    ) -> Result<Cooldown> {
        self.search_cooldown(peak, updates, warmup, None, watch)
    }

    /// `share` is the error of a loss that the law predicts, as a share of it.
    #[tracing::instrument(name = "cooldown", skip_all, fields(updates))]
    pub(super) fn search_cooldown(
        &self,
        peak: f64,
        updates: usize,
        warmup: usize,
        share: Option<f64>,
        watch: &Watch,
    ) -> Result<Cooldown> {
        check_positive("peak", peak)?;
        let left = updates.saturating_sub(warmup);
        check(
            "updates",
            updates as f64,
            left >= 100,
            "100 more than the warm-up",
        )?;
        check_most("updates", updates, MOST_UPDATES)?;
        let rate = |percent: usize| {
            let cooldown = left * percent / 100;
            Wsd::new(peak, warmup, left - cooldown, cooldown)?.with_curve(Curve::Linear)
        };
        let constant = self.last(&Constant::new(peak)?, updates, warmup)?;
        let mut losses = Vec::new();
        for percent in 1..=100 {
            losses.push(self.last(&rate(percent)?, updates, warmup)?);
            if !watch.goes_on("cooldown", percent, 100) {
                break;
            }
        }
        let order = |one: &usize, other: &usize| losses[*one].total_cmp(&losses[*other]);
        let best = (0..losses.len()).min_by(order).unwrap_or(0);
        let loss = losses[best];
        let error = share.map(|share| share * loss.abs());
        let bound = loss + error.unwrap_or(0.0);
        let within = |index: &usize| losses[*index] <= bound;
        let first = (0..=best).find(within).unwrap_or(best);
        let last = (best..losses.len()).rev().find(within).unwrap_or(best);
        Cooldown {
            percent: best + 1,
            loss,
            rate: rate(best + 1)?,
            gain: constant - loss,
            error,
            as_good: (first + 1, last + 1),
        }
        .checked()
    }
}

/// Rates that are computed in one go.
const CHUNK: usize = 256;

/// Updates of a search among cool-downs at most.
const MOST_UPDATES: usize = 1 << 22;

/// The cool-down of a law's choice, and how far it is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Cooldown {
    /// Share of the updates after the warm-up, in percent, 1 to 100.
    pub percent: usize,
    /// The loss that the law predicts at the end.
    pub loss: f64,
    /// The schedule.
    pub rate: Wsd,
    /// What it promises: the predicted loss at the end of the same run at a constant rate, less `loss`. Below 0 for a law that says
    /// that annealing costs more than it gains.
    pub gain: f64,
    /// The error of a predicted loss, `mape * loss` of the fit, in nats; `None` for a law that was not fitted.
    pub error: Option<f64>,
    /// The shortest and the longest share, in percent, whose predicted loss is above `loss` by no more than the error: the fit does
    /// not tell them apart. `(percent, percent)` without an error, but for equal losses.
    pub as_good: (usize, usize),
}

impl Cooldown {
    /// Whether the gain is more than the fit's error; false where the error is not known.
    #[must_use]
    pub fn exceeds_error(&self) -> bool {
        self.error.is_some_and(|error| self.gain > error)
    }
}

impl Checked for Cooldown {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let percents = 1..=100;
        let allowed = "1 to 100";
        let percent = self.percent;
        check(
            "percent",
            percent as f64,
            percents.contains(&percent),
            allowed,
        )?;
        check_finite("loss", self.loss)?;
        check_finite("gain", self.gain)?;
        check_not_negative("error", self.error.unwrap_or(0.0))?;
        let (first, last) = self.as_good;
        let around =
            percents.contains(&first) && first <= percent && percent <= last && last <= 100;
        check(
            "as_good",
            first as f64,
            around,
            "a range around `percent`, 1 to 100",
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use crate::Cosine;
    use approx::assert_relative_eq;

    pub(crate) const PAPER: AnnealingLaw = AnnealingLaw {
        floor: 3.057,
        scale: 0.490,
        exponent: 0.497,
        gain: 0.299,
        memory: 0.999,
    };

    pub(crate) fn wsd(peak: f64, updates: usize, cooldown: usize) -> Wsd {
        let rate = Wsd::new(peak, 0, updates - cooldown, cooldown).unwrap();
        rate.with_curve(Curve::Linear).unwrap()
    }

    #[test]
    fn the_papers_law_on_twenty_thousand_updates() {
        let (peak, steps) = (2e-4, 20_000);
        let last = |rate: &dyn Fn(usize) -> f64| {
            let rates: Vec<f64> = (0..=steps).map(rate).collect();
            *PAPER.predict(&rates, 0).unwrap().last().unwrap()
        };
        let cosine = Cosine::new(peak, steps).unwrap();
        let [ten, twenty] = [2_000, 4_000].map(|cooldown| wsd(peak, steps, cooldown));
        assert_relative_eq!(last(&|_| peak), 3.3030149, epsilon = 1e-7);
        assert_relative_eq!(last(&|i| cosine.at(i)), 3.3451139, epsilon = 1e-7);
        assert_relative_eq!(last(&|i| ten.at(i)), 3.2754018, epsilon = 1e-7);
        assert_relative_eq!(last(&|i| twenty.at(i)), 3.2711055, epsilon = 1e-7);
    }

    #[test]
    fn the_best_cooldown_is_short_of_a_whole_decay() {
        let best = PAPER.best_cooldown(2e-4, 20_000, 0).unwrap();
        assert!((10..=25).contains(&best.percent), "{best:?}");
        for cooldown in [2_000, 10_000] {
            let other = PAPER.last(&wsd(2e-4, 20_000, cooldown), 20_000, 0).unwrap();
            assert!(best.loss < other);
        }
        assert_relative_eq!(PAPER.last(&best.rate, 20_000, 0).unwrap(), best.loss);
        assert!(PAPER.best_cooldown(0.0, 20_000, 0).is_err());
        assert!(PAPER.best_cooldown(1.0, 150, 100).is_err());
        assert!(PAPER.best::<Wsd>(&[], 100, 0).is_err());
    }

    #[test]
    fn laws_out_of_range_predict_nothing() {
        let bad = [f64::NAN, f64::INFINITY, -1.0];
        for value in bad {
            for law in [
                AnnealingLaw {
                    floor: value,
                    ..PAPER
                },
                AnnealingLaw {
                    scale: value,
                    ..PAPER
                },
                AnnealingLaw {
                    exponent: value,
                    ..PAPER
                },
                AnnealingLaw {
                    gain: value,
                    ..PAPER
                },
                AnnealingLaw {
                    memory: value,
                    ..PAPER
                },
            ] {
                assert!(law.predict(&[1.0], 0).is_err(), "{law:?}");
                assert!(law.best(&[wsd(1.0, 100, 10)], 100, 0).is_err());
                let file = serde_json::to_string(&law).unwrap();
                assert!(serde_json::from_str::<AnnealingLaw>(&file).is_err());
            }
        }
        // Without a rate above 0 there is no loss, whatever the law: another schedule is better.
        let flat = AnnealingLaw {
            scale: 0.0,
            ..PAPER
        };
        let rates = [0.0, 1e-3].map(|rate| wsd(rate, 100, 10));
        assert_eq!(flat.best(&rates, 100, 0).unwrap().0, 1);
    }
}
