//! # AnnealingFit
//!
//! The annealing law fitted to one or two measured curves, robustly, with how sure the fit is.
//!
//! Source: Tissue, Wang and Wang, "Scaling Law with Learning Rate Annealing" (arXiv 2408.11029); loss and grid of starts as in public implementations that follow the authors' code.

use regimen_tensor::checked::Checked;
use regimen_tensor::{Watch, checked_serde};
use serde::{Deserialize, Serialize};

use super::annealing::{AnnealingLaw, Cooldown};
use super::areas::{AreaPoint, RunningAreas};
use super::huber::{Law, Problem, Quality, grid};
use super::loss_curve::LossCurve;
use crate::error::{Error, Result, check, check_positive};

/// How a law is fitted.
///
/// | field | default | range |
/// |---|---|---|
/// | `memory` | 0.999 | `0..1`; shorter runs want less, 0.99 to 0.995 for a few thousand updates |
/// | `delta` | 0.001 | above 0: where Huber's loss of the logarithms turns from squares to magnitudes |
/// | `annealing` | true | false fits the power law alone, `gain` 0: what the annealing term is compared with |
///
/// The four parameters stay positive by their logarithms, where the authors use bounds at 0; so the grid's start at an
/// exponent of 0 is 0.05 here. The grid of starts is theirs, in units in which the largest areas are 4 and 0.2, as in a run
/// of 20,000 updates at a peak of 2e-4 with a memory of 0.999: the fit does not depend on the unit of the rates.
///
/// ```
/// use regimen_schedules::forecast::law::{AnnealingFitConfig, AnnealingLaw, LossCurve};
/// use regimen_schedules::{Constant, Cosine, ScheduleExt, Wsd};
///
/// let truth = AnnealingLaw { floor: 3.0, scale: 0.5, exponent: 0.5, gain: 0.3, memory: 0.999 };
/// let measured = |rates: Vec<f64>| {
///     let losses = truth.predict(&rates, 0)?;
///     let points = (100..=4_000).step_by(100).map(|done| (done, losses[done - 1])).collect();
///     LossCurve::of_rates(rates, points)
/// };
/// let constant = measured(Constant::new(2e-4)?.table(4_000)?)?;
/// let cosine = measured(Cosine::new(2e-4, 4_000)?.table(4_000)?)?;
/// let fit = AnnealingFitConfig::new().fit(&[constant, cosine])?;
/// let unseen = Wsd::new(2e-4, 0, 3_000, 1_000)?.table(4_000)?;
/// let (found, expected) = (fit.law.predict(&unseen, 0)?, truth.predict(&unseen, 0)?);
/// assert!((found[3_999] / expected[3_999] - 1.0).abs() < 1e-4);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
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
#[serde(remote = "Self")]
pub struct AnnealingFit {
    /// The law.
    pub law: AnnealingLaw,
    /// How well it fits.
    pub quality: Quality,
}

checked_serde!(AnnealingFitConfig, AnnealingFit);

impl Checked for AnnealingFitConfig {
    type Error = Error;

    fn check(&self) -> Result<()> {
        RunningAreas::new(self.memory)?;
        check_positive("delta", self.delta)
    }
}

impl Checked for AnnealingFit {
    type Error = Error;

    fn check(&self) -> Result<()> {
        self.law.check()?;
        self.quality.check()?;
        let fitted = self.quality.standard_errors.len().clamp(3, 4);
        self.quality.check_width(fitted)
    }
}

/// The largest forward and annealing areas, in the units of the grid.
const LARGEST: [f64; 2] = [4.0, 0.2];

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
    /// If a parameter is out of range, there are fewer than five losses after the warm-ups, no rate is above 0, none of the
    /// curves anneals though the annealing term is asked for, no start leads anywhere, or the law explains the losses no better
    /// than a constant, as where they rise or stay ([`Quality::explained`]).
    pub fn fit(&self, curves: &[LossCurve]) -> Result<AnnealingFit> {
        self.fit_watched(curves, &Watch::default())
    }

    /// [`fit`](Self::fit), watched as `"fit"`: a step is one of the 54 starts (18 without annealing), or the last search. Work that
    /// is stopped returns the best of the starts so far, of which fewer agree.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_watched(&self, curves: &[LossCurve], watch: &Watch) -> Result<AnnealingFit> {
        let points = curves.iter().map(|curve| curve.areas(self.memory));
        let points = points.collect::<Result<Vec<_>>>()?.concat();
        enough("curves", points.len())?;
        self.fit_named("curves", &points, watch)
    }

    /// As [`fit`](Self::fit), to losses whose areas are known; those of all runs must have this memory.
    ///
    /// # Errors
    /// If a parameter or a number is out of range, there are fewer than five points, none of which has annealed where the
    /// annealing term is asked for, no start leads anywhere, or the law explains the losses no better than a constant.
    pub fn fit_points(&self, measured: &[AreaPoint]) -> Result<AnnealingFit> {
        self.fit_points_watched(measured, &Watch::default())
    }

    /// [`fit_points`](Self::fit_points), watched as [`fit_watched`](Self::fit_watched).
    ///
    /// # Errors
    /// As [`fit_points`](Self::fit_points).
    pub fn fit_points_watched(
        &self,
        measured: &[AreaPoint],
        watch: &Watch,
    ) -> Result<AnnealingFit> {
        self.fit_named("measured", measured, watch)
    }

    #[tracing::instrument(name = "fit", skip_all, fields(points = measured.len()))]
    fn fit_named(
        &self,
        field: &'static str,
        measured: &[AreaPoint],
        watch: &Watch,
    ) -> Result<AnnealingFit> {
        self.check()?;
        measured.iter().try_for_each(Checked::check)?;
        enough(field, measured.len())?;
        // Without it the gain could be anything.
        let anneals = measured.iter().any(|point| point.annealing != 0.0);
        check(
            "annealing",
            0.0,
            anneals || !self.annealing,
            "a curve whose rate falls, or a fit without the annealing term",
        )?;
        let units = units(measured);
        let points: Vec<(f64, f64)> = measured
            .iter()
            .map(|at| ((at.forward * units[0]).ln(), at.annealing * units[1]))
            .collect();
        let observed: Vec<f64> = measured.iter().map(|at| at.loss).collect();
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
            field,
        };
        let (mut found, scaled) = problem.minimise(&grid(lists), watch)?;
        found[1] *= units[0].powf(-found[2]);
        if let Some(gain) = found.get_mut(3) {
            *gain *= units[1];
        }
        // The standard errors are those of the law in the units of the rates: the scale's depends on the exponent's.
        let points = measured.iter().map(|at| (at.forward.ln(), at.annealing));
        let problem = Problem {
            law: &points.collect::<Vec<_>>(),
            ..problem
        };
        let quality = problem.quality(&found, scaled.objective, scaled.agreeing);
        let law = AnnealingLaw {
            floor: found[0],
            scale: found[1],
            exponent: found[2],
            gain: found.get(3).copied().unwrap_or_default(),
            memory: self.memory,
        };
        AnnealingFit { law, quality }.checked()
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
        self.fit_memory_watched(curves, held_out, memories, &Watch::default())
    }

    /// [`fit_memory`](Self::fit_memory), watched as `"fit_memory"`: a step is a memory, whose starts are watched as `"fit"`. Work that
    /// is stopped returns the best of the memories so far, of which one is always fitted.
    ///
    /// # Errors
    /// As [`fit_memory`](Self::fit_memory).
    #[tracing::instrument(name = "fit_memory", skip_all, fields(memories = memories.len()))]
    pub fn fit_memory_watched(
        &self,
        curves: &[LossCurve],
        held_out: &[LossCurve],
        memories: &[f64],
        watch: &Watch,
    ) -> Result<AnnealingFit> {
        let mut best: Option<(f64, AnnealingFit)> = None;
        for (index, memory) in memories.iter().enumerate() {
            let fit = self.with_memory(*memory).fit_watched(curves, watch)?;
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
            if !watch.goes_on("fit_memory", index + 1, memories.len()) {
                break;
            }
        }
        best.map(|(_, fit)| fit).ok_or(Error::TooFew {
            field: "memories",
            found: 0,
            needed: 1,
        })
    }
}

fn enough(field: &'static str, found: usize) -> Result<()> {
    let needed = 5;
    if found < needed {
        return Err(Error::TooFew {
            field,
            found,
            needed,
        });
    }
    Ok(())
}

/// What brings the areas to those of the grid; an annealing area of 0 everywhere stays as it is.
fn units(measured: &[AreaPoint]) -> [f64; 2] {
    let largest = measured.iter().fold([0.0_f64; 2], |[one, two], at| {
        [one.max(at.forward), two.max(at.annealing.abs())]
    });
    let annealing = if largest[1] > 0.0 {
        LARGEST[1] / largest[1]
    } else {
        1.0
    };
    [LARGEST[0] / largest[0], annealing]
}

impl AnnealingFit {
    /// [`AnnealingLaw::best_cooldown`] with the error of the fit, by which its promise is judged.
    ///
    /// # Errors
    /// As [`AnnealingLaw::best_cooldown`].
    pub fn best_cooldown(&self, peak: f64, updates: usize, warmup: usize) -> Result<Cooldown> {
        self.best_cooldown_watched(peak, updates, warmup, &Watch::default())
    }

    /// [`best_cooldown`](Self::best_cooldown), watched as [`AnnealingLaw::best_cooldown_watched`].
    ///
    /// # Errors
    /// As [`AnnealingLaw::best_cooldown`].
    pub fn best_cooldown_watched(
        &self,
        peak: f64,
        updates: usize,
        warmup: usize,
        watch: &Watch,
    ) -> Result<Cooldown> {
        let share = Some(self.quality.mape);
        self.law
            .search_cooldown(peak, updates, warmup, share, watch)
    }

    /// Mean of `|observed - predicted| / observed` over a curve after its warm-up.
    ///
    /// # Errors
    /// If the curve has no loss after its warm-up, or as [`Areas::of`](super::Areas::of).
    pub fn mape(&self, curve: &LossCurve) -> Result<f64> {
        let points = curve.areas(self.law.memory)?;
        let errors = points
            .iter()
            .map(|at| (at.loss - self.law.loss(at.forward, at.annealing)).abs() / at.loss);
        let mean = errors.sum::<f64>() / points.len() as f64;
        check(
            "curve",
            mean,
            true,
            "one with losses after its warm-up that the law can predict",
        )?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::annealing::tests::{PAPER, wsd};
    use super::*;
    use crate::{Constant, Cosine, MultiStep, ScheduleExt};
    use approx::assert_relative_eq;
    use nalgebra::DMatrix;

    fn measured(law: AnnealingLaw, rates: Vec<f64>) -> LossCurve {
        let losses = law.predict(&rates, 0).unwrap();
        let points = (100..=rates.len()).step_by(50);
        let points = points.map(|done| (done, losses[done - 1])).collect();
        LossCurve::of_rates(rates, points).unwrap()
    }

    /// A law's curves of a constant rate and a cosine.
    fn two(law: AnnealingLaw, peak: f64, updates: usize) -> [LossCurve; 2] {
        let constant = Constant::new(peak).unwrap().table(updates).unwrap();
        let cosine = Cosine::new(peak, updates).unwrap().table(updates).unwrap();
        [constant, cosine].map(|rates| measured(law, rates))
    }

    fn predicts(law: AnnealingLaw, truth: AnnealingLaw, rates: &[f64], within: f64) {
        let (found, expected) = (
            law.predict(rates, 0).unwrap(),
            truth.predict(rates, 0).unwrap(),
        );
        for (found, expected) in found.iter().zip(expected).skip(100) {
            assert_relative_eq!(*found, expected, max_relative = within);
        }
    }

    #[test]
    fn a_law_is_found_again_in_any_unit_of_rates() {
        for (truth, peak, updates) in [
            (PAPER, 2e-4, 10_000),
            (
                AnnealingLaw {
                    floor: 1.5,
                    scale: 1.2,
                    exponent: 0.6,
                    gain: 0.2,
                    memory: 0.99,
                },
                4e-3,
                3_000,
            ),
            (
                AnnealingLaw {
                    floor: 0.4,
                    scale: 9.0,
                    exponent: 0.3,
                    gain: 1e-4,
                    memory: 0.995,
                },
                1.0,
                4_000,
            ),
        ] {
            let config = AnnealingFitConfig::new().with_memory(truth.memory);
            let fit = config.fit(&two(truth, peak, updates)).unwrap();
            let steps = MultiStep::new(peak, 0.3, vec![updates / 2, 3 * updates / 4]).unwrap();
            predicts(
                fit.law,
                truth,
                &wsd(peak, updates, updates / 5).table(updates).unwrap(),
                1e-4,
            );
            predicts(fit.law, truth, &steps.table(updates).unwrap(), 1e-4);
            assert!(
                fit.quality.mape < 1e-5 && fit.quality.agreeing.0 > 0,
                "{fit:?}"
            );
        }
    }

    /// Every tenth loss is a third too high: Huber's loss does not follow.
    #[test]
    fn outliers_do_not_move_the_law() {
        let config = AnnealingFitConfig::new();
        let curves = two(PAPER, 2e-4, 10_000).map(|curve| {
            let spiked = curve
                .points()
                .into_iter()
                .enumerate()
                .map(|(index, (done, loss))| {
                    let factor = if index % 10 == 3 { 1.33 } else { 1.0 };
                    (done, factor * loss)
                });
            LossCurve::of_rates(curve.rates().to_vec(), spiked.collect()).unwrap()
        });
        let fit = config.fit(&curves).unwrap();
        predicts(
            fit.law,
            PAPER,
            &wsd(2e-4, 10_000, 2_000).table(10_000).unwrap(),
            2e-3,
        );
        assert!(fit.quality.largest > 0.2);
    }

    #[test]
    fn without_annealing_the_term_is_missed() {
        let curves = two(PAPER, 2e-4, 10_000);
        let with = AnnealingFitConfig::new();
        let without = with.with_annealing(false);
        let unseen = measured(PAPER, wsd(2e-4, 10_000, 1_000).table(10_000).unwrap());
        let [with, without] = [with, without].map(|config| config.fit(&curves).unwrap());
        assert_eq!(without.law.gain, 0.0);
        assert_eq!(without.quality.standard_errors.len(), 3);
        assert!(without.mape(&unseen).unwrap() > 20.0 * with.mape(&unseen).unwrap());
    }

    #[test]
    fn curves_that_do_not_anneal_tell_no_gain() {
        let constant = Constant::new(2e-4).unwrap().table(2_000).unwrap();
        let constant = [measured(PAPER, constant)];
        let config = AnnealingFitConfig::new();
        let refused = config.fit(&constant).unwrap_err().to_string();
        assert!(refused.contains("annealing"), "{refused}");
        let fit = config.with_annealing(false).fit(&constant).unwrap();
        assert!(fit.quality.mape < 1e-5 && fit.law.gain == 0.0, "{fit:?}");
    }

    /// Against slopes by differences in the parameters of the law, whatever the units of its areas.
    #[test]
    fn standard_errors_are_those_of_the_law() {
        for peak in [2e-6, 2e-4, 1.0] {
            let wave = |(index, (done, loss)): (usize, (usize, f64))| {
                (done, loss * (1.0 + 1e-3 * (2.4 * index as f64).sin()))
            };
            // The same losses in other units.
            let unit: f64 = peak / 2e-4;
            let truth = AnnealingLaw {
                scale: PAPER.scale * unit.powf(PAPER.exponent),
                gain: PAPER.gain / unit,
                ..PAPER
            };
            let rough = two(truth, peak, 4_000).map(|curve| {
                let points = curve.points().into_iter().enumerate().map(wave);
                LossCurve::of_rates(curve.rates().to_vec(), points.collect()).unwrap()
            });
            let AnnealingFit { law, quality } = AnnealingFitConfig::new().fit(&rough).unwrap();
            let areas = rough.map(|curve| curve.areas(law.memory).unwrap()).concat();
            let parameters = [law.floor, law.scale, law.exponent, law.gain];
            let loss = |p: [f64; 4], at: &AreaPoint| {
                p[0] + p[1] * at.forward.powf(-p[2]) - p[3] * at.annealing
            };
            let slope = |row: usize, axis: usize| {
                let step = 1e-5 * parameters[axis];
                let moved = |step: f64| {
                    let mut parameters = parameters;
                    parameters[axis] += step;
                    loss(parameters, &areas[row])
                };
                (moved(step) - moved(-step)) / (2.0 * step)
            };
            let slopes = DMatrix::from_fn(areas.len(), 4, slope);
            let residuals = areas
                .iter()
                .map(|at| (at.loss - loss(parameters, at)).powi(2));
            let variance = residuals.sum::<f64>() / (areas.len() - 4) as f64;
            let normal = (slopes.transpose() * &slopes).try_inverse().unwrap();
            for (axis, error) in quality.standard_errors.iter().enumerate() {
                let expected = (normal[(axis, axis)] * variance).sqrt();
                assert_relative_eq!(*error, expected, max_relative = 1e-2);
            }
        }
    }

    #[test]
    fn the_memory_is_found_on_a_held_out_curve() {
        let truth = AnnealingLaw {
            memory: 0.99,
            ..PAPER
        };
        let curves = two(truth, 2e-4, 4_000);
        let held_out = [measured(truth, wsd(2e-4, 4_000, 800).table(4_000).unwrap())];
        let config = AnnealingFitConfig::new();
        let fit = config
            .fit_memory(&curves, &held_out, &[0.999, 0.99, 0.9])
            .unwrap();
        assert_eq!(fit.law.memory, 0.99);
        assert!(config.fit_memory(&curves, &held_out, &[]).is_err());
        assert!(config.fit_memory(&curves, &[], &[0.99]).is_err());
    }

    #[test]
    fn bad_input_is_named() {
        let text = |result: Result<AnnealingFit>| result.unwrap_err().to_string();
        let config = AnnealingFitConfig::new();
        let curves = two(PAPER, 2e-4, 1_000);
        assert!(text(config.fit(&[])).contains("curves"));
        assert!(text(config.with_memory(1.0).fit(&curves)).contains("memory"));
        assert!(text(config.with_delta(0.0).fit(&curves)).contains("delta"));
        let still = LossCurve::of_rates(vec![0.0; 9], vec![(3, 1.0); 9]).unwrap();
        assert!(text(config.fit(&[still])).contains("forward"));
        let point = AreaPoint {
            forward: 1.0,
            annealing: f64::NAN,
            loss: 1.0,
        };
        assert!(text(config.fit_points(&[point; 9])).contains("annealing"));
        let empty = LossCurve::of_rates(vec![1.0; 9], vec![]).unwrap();
        let fit = config.fit(&curves).unwrap();
        assert!(fit.mape(&empty).is_err());
        assert!(PAPER.predict(&[1.0, f64::NAN], 0).is_err());
    }

    #[test]
    fn a_fit_goes_through_a_file() {
        let fit = AnnealingFitConfig::new()
            .fit(&two(PAPER, 2e-4, 2_000))
            .unwrap();
        let json = serde_json::to_string(&fit).unwrap();
        let back: AnnealingFit = serde_json::from_str(&json).unwrap();
        assert_relative_eq!(back.law.gain, fit.law.gain, max_relative = 1e-12);
        let config = AnnealingFitConfig::new().with_memory(0.99);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(
            serde_json::from_str::<AnnealingFitConfig>(&json).unwrap(),
            config
        );
    }
}
