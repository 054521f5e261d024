//! # AnnealingLaw
//!
//! The loss after every update of a run, from its rates alone: a power law of their sum, less what annealing gains.
//!
//! Source: Tissue, Wang and Wang, "Scaling Law with Learning Rate Annealing" (arXiv 2408.11029), equation 1.

use serde::{Deserialize, Serialize};

use super::areas::Areas;
use super::huber::{Law, Problem, Quality, grid};
use super::loss_curve::LossCurve;
use crate::catalogue::{Curve, Wsd};
use crate::error::{Error, Result, check, check_positive};
use crate::schedule::{Schedule, ScheduleExt};

/// `L(s) = floor + scale S1(s)^-exponent - gain S2(s)`, in nats, with the [`Areas`] `S1` and `S2` of the run's rates.
///
/// It holds for one model, one data set, one batch size and rates that do not upset training.
///
/// ```
/// use regimen_schedules::law::AnnealingLaw;
/// use regimen_schedules::{Cosine, Curve, ScheduleExt, Wsd};
///
/// let law = AnnealingLaw { floor: 3.057, scale: 0.490, exponent: 0.497, gain: 0.299, memory: 0.999 };
/// let cosine = law.predict(&Cosine::new(2e-4, 20_000)?.table(20_001), 0)?;
/// let cooled = Wsd::new(2e-4, 0, 16_000, 4_000)?.with_curve(Curve::Linear)?;
/// let cooled = law.predict(&cooled.table(20_001), 0)?;
/// assert!((cosine[20_000] - 3.3451139).abs() < 1e-6);
/// assert!((cooled[20_000] - 3.2711055).abs() < 1e-6);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

impl AnnealingLaw {
    /// The loss after each update of a run with these rates, of which the first `warmup` warm up.
    ///
    /// # Errors
    /// As [`Areas::of`].
    pub fn predict(&self, rates: &[f64], warmup: usize) -> Result<Vec<f64>> {
        let areas = Areas::of(rates, warmup, self.memory)?;
        let pairs = areas.forward.iter().zip(&areas.annealing);
        Ok(pairs.map(|(one, two)| self.loss(*one, *two)).collect())
    }

    /// The loss at these areas; infinite before the first rate above 0.
    #[must_use]
    pub fn loss(&self, forward: f64, annealing: f64) -> f64 {
        self.floor + self.scale * forward.powf(-self.exponent) - self.gain * annealing
    }

    /// The predicted loss at the end of `updates` by `rate`.
    ///
    /// # Errors
    /// As [`Areas::of`].
    pub fn last(
        &self,
        rate: &(impl Schedule + Sync),
        updates: usize,
        warmup: usize,
    ) -> Result<f64> {
        let losses = self.predict(&rate.table(updates), warmup)?;
        Ok(losses.last().copied().unwrap_or(f64::NAN))
    }

    /// The best of some schedules for a run of `updates`: its index and predicted last loss.
    ///
    /// # Errors
    /// If there is none, or as [`Areas::of`].
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
    /// # Errors
    /// If `peak` is not above 0 or the warm-up leaves fewer than 100 updates.
    pub fn best_cooldown(&self, peak: f64, updates: usize, warmup: usize) -> Result<Cooldown> {
        check_positive("peak", peak)?;
        let left = updates.saturating_sub(warmup);
        check(
            "updates",
            updates as f64,
            left >= 100,
            "100 more than the warm-up",
        )?;
        let rate = |percent: usize| {
            let cooldown = left * percent / 100;
            Wsd::new(peak, warmup, left - cooldown, cooldown)?.with_curve(Curve::Linear)
        };
        let rates = (1..=100).map(rate).collect::<Result<Vec<Wsd>>>()?;
        let (index, loss) = self.best(&rates, updates, warmup)?;
        Ok(Cooldown {
            percent: index + 1,
            loss,
            rate: rates[index],
        })
    }
}

/// The cool-down of a law's choice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cooldown {
    /// Share of the updates after the warm-up, in percent, 1 to 100.
    pub percent: usize,
    /// The loss that the law predicts at the end.
    pub loss: f64,
    /// The schedule.
    pub rate: Wsd,
}

/// How a law is fitted.
///
/// | field | default | range |
/// |---|---|---|
/// | `memory` | 0.999 | `0..1`; shorter runs want less, 0.99 to 0.995 for a few thousand updates |
/// | `delta` | 0.001 | above 0: where Huber's loss of the logarithms turns from squares to magnitudes |
/// | `annealing` | true | false fits the power law alone, `gain` 0: what the annealing term is compared with |
///
/// The four parameters stay positive by their logarithms, where the authors use bounds at 0; so the grid's start at an
/// exponent of 0 is 0.05 here. The grid of starts is the authors', in units in which annealing all of the largest rate is worth
/// 0.2, as it is at a peak of 2e-4 with a memory of 0.999: the fit does not depend on the unit of the rates.
///
/// ```
/// use regimen_schedules::law::{AnnealingFitConfig, AnnealingLaw, LossCurve};
/// use regimen_schedules::{Constant, Cosine, ScheduleExt, Wsd};
///
/// let truth = AnnealingLaw { floor: 3.0, scale: 0.5, exponent: 0.5, gain: 0.3, memory: 0.999 };
/// let measured = |rates: Vec<f64>| {
///     let losses = truth.predict(&rates, 0)?;
///     let points = (100..=4_000).step_by(100).map(|done| (done, losses[done - 1])).collect();
///     LossCurve::of_rates(rates, points)
/// };
/// let constant = measured(Constant::new(2e-4)?.table(4_000))?;
/// let cosine = measured(Cosine::new(2e-4, 4_000)?.table(4_000))?;
/// let fit = AnnealingFitConfig::new().fit(&[constant, cosine])?;
/// let unseen = Wsd::new(2e-4, 0, 3_000, 1_000)?.table(4_000);
/// let (found, expected) = (fit.law.predict(&unseen, 0)?, truth.predict(&unseen, 0)?);
/// assert!((found[3_999] / expected[3_999] - 1.0).abs() < 1e-4);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnnealingFitConfig {
    /// `lambda` of the annealing area.
    pub memory: f64,
    /// Where Huber's loss turns.
    pub delta: f64,
    /// Whether annealing gains anything.
    pub annealing: bool,
}

impl Default for AnnealingFitConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// A fitted law and how well it fits; parameters in [`Quality`] are floor, scale, exponent and, if fitted, gain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnnealingFit {
    /// The law.
    pub law: AnnealingLaw,
    /// How well it fits.
    pub quality: Quality,
}

/// The annealing area, in the unit of the grid, of a drop of the largest rate to 0.
const UNIT: f64 = 0.2;

impl AnnealingFitConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            memory: 0.999,
            delta: 1e-3,
            annealing: true,
        }
    }

    /// Another memory.
    #[must_use]
    pub fn with_memory(self, memory: f64) -> Self {
        Self { memory, ..self }
    }

    /// Another turn of Huber's loss.
    #[must_use]
    pub fn with_delta(self, delta: f64) -> Self {
        Self { delta, ..self }
    }

    /// With or without the annealing term.
    #[must_use]
    pub fn with_annealing(self, annealing: bool) -> Self {
        Self { annealing, ..self }
    }

    /// Fits the law to measured curves together: one that anneals must be among them for the annealing term.
    ///
    /// # Errors
    /// If a parameter is out of range, there are fewer than five losses after the warm-ups, no rate is above 0, or no start
    /// leads anywhere.
    pub fn fit(&self, curves: &[LossCurve]) -> Result<AnnealingFit> {
        check_positive("delta", self.delta)?;
        let (points, observed) = self.points(curves)?;
        let largest = curves
            .iter()
            .flat_map(LossCurve::rates)
            .copied()
            .fold(0.0, f64::max);
        check_positive("rates", largest)?;
        let unit = UNIT * (1.0 - self.memory) / largest;
        let points: Vec<(f64, f64)> = points
            .into_iter()
            .map(|(one, two)| ((one * unit).ln(), two * unit))
            .collect();
        let lists: [&[f64]; 4] = [
            &[0.1, 2.1],
            &[1.0, 11.5, 22.0],
            &[0.05, 0.4, 0.8],
            &[1.0, 11.5, 22.0],
        ];
        let lists = if self.annealing { &lists } else { &lists[..3] };
        let problem = Problem {
            law: &points,
            observed: &observed,
            points: (0..points.len()).collect(),
            delta: self.delta,
        };
        let (found, mut quality) = problem.minimise(&grid(lists))?;
        let power = unit.powf(-found[2]);
        let gain = found.get(3).map_or(0.0, |gain| gain * unit);
        let units = [1.0, power, 1.0, unit];
        let errors = quality.standard_errors.iter_mut().zip(units);
        errors.for_each(|(error, unit)| *error *= unit);
        let law = AnnealingLaw {
            floor: found[0],
            scale: found[1] * power,
            exponent: found[2],
            gain,
            memory: self.memory,
        };
        Ok(AnnealingFit { law, quality })
    }

    /// The memory, of some, whose law predicts the held-out curves best (by [`AnnealingFit::mape`]), and its fit.
    ///
    /// # Errors
    /// If there is no memory or no held-out curve, or as [`fit`](Self::fit).
    pub fn fit_memory(
        &self,
        curves: &[LossCurve],
        held_out: &[LossCurve],
        memories: &[f64],
    ) -> Result<AnnealingFit> {
        let mut best: Option<(f64, AnnealingFit)> = None;
        for memory in memories {
            let fit = self.with_memory(*memory).fit(curves)?;
            let errors = held_out.iter().map(|curve| fit.mape(curve));
            let errors = errors.collect::<Result<Vec<f64>>>()?;
            let error = errors.iter().sum::<f64>() / errors.len() as f64;
            check(
                "held_out",
                error,
                true,
                "curves with losses after their warm-up",
            )?;
            if best.as_ref().is_none_or(|(least, _)| error < *least) {
                best = Some((error, fit));
            }
        }
        best.map(|(_, fit)| fit).ok_or(Error::TooFew {
            field: "memories",
            found: 0,
            needed: 1,
        })
    }

    /// The areas at all losses, and the losses.
    fn points(&self, curves: &[LossCurve]) -> Result<(Vec<(f64, f64)>, Vec<f64>)> {
        let (mut points, mut observed) = (Vec::new(), Vec::new());
        for curve in curves {
            let areas = Areas::of(curve.rates(), curve.warmup(), self.memory)?;
            for (done, loss) in curve.points() {
                let forward = areas.forward[done - 1];
                check_positive("rates", forward)?;
                points.push((forward, areas.annealing[done - 1]));
                observed.push(loss);
            }
        }
        if observed.len() < 5 {
            return Err(Error::TooFew {
                field: "curves",
                found: observed.len(),
                needed: 5,
            });
        }
        Ok((points, observed))
    }
}

impl AnnealingFit {
    /// Mean of `|observed - predicted| / observed` over a curve after its warm-up.
    ///
    /// # Errors
    /// If the curve has no loss after its warm-up, or as [`Areas::of`].
    pub fn mape(&self, curve: &LossCurve) -> Result<f64> {
        let losses = self.law.predict(curve.rates(), curve.warmup())?;
        let points = curve.points();
        let errors = points
            .iter()
            .map(|(done, loss)| (loss - losses[done - 1]).abs() / loss);
        let mean = errors.sum::<f64>() / points.len() as f64;
        check("points", mean, true, "losses after the warm-up")?;
        Ok(mean)
    }
}

/// The points of a fit: the logarithm of the forward area, and the annealing area.
impl Law for Vec<(f64, f64)> {
    fn predict(&self, parameters: &[f64], point: usize, slopes: &mut [f64]) -> f64 {
        let (log, annealing) = self[point];
        let (floor, scale, exponent) = (parameters[0], parameters[1], parameters[2]);
        let power = (-exponent * log).exp();
        slopes[0] = 1.0;
        slopes[1] = power;
        slopes[2] = -scale * power * log;
        let gained = parameters.get(3).map_or(0.0, |gain| {
            slopes[3] = -annealing;
            gain * annealing
        });
        floor + scale * power - gained
    }
}
