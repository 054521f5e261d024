//! # LossCurve
//!
//! A measured curve of losses with the rates of its run, and the two areas that a law of annealing reads off the rates.
//!
//! Source: Tissue, Wang and Wang, "Scaling Law with Learning Rate Annealing" (arXiv 2408.11029), section 3.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check, check_not_negative, check_positive};
use crate::schedule::{Schedule, ScheduleExt};

/// The areas of a run's rates after each of its updates.
///
/// With `eta_i` the rate of update `i`, the forward area is `S1(s) = sum_{i <= s} eta_i` and the annealing area
/// `S2(s) = sum_{i <= s} m_i` with `m_i = memory m_{i-1} + (eta_{i-1} - eta_i)`, `m_1 = 0`: a double sum, in linear time. Decay makes
/// it grow, a rise of the rate makes it fall. It goes on growing after the rate has stopped to change, as far as
/// `drop / (1 - memory)`.
///
/// ```
/// use regimen_schedules::law::Areas;
///
/// let areas = Areas::of(&[1.0, 1.0, 1.0, 0.5, 0.5, 0.0], 0, 0.9)?;
/// assert_eq!(areas.forward, [1.0, 2.0, 3.0, 3.5, 4.0, 4.0]);
/// assert!((areas.annealing[5] - 1.855).abs() < 1e-12);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Areas {
    /// `S1` after each update, in units of the rate.
    pub forward: Vec<f64>,
    /// `S2` after each update, in units of the rate.
    pub annealing: Vec<f64>,
}

impl Areas {
    /// The areas of these rates, one an update, with `memory` in `0..1`. The first `warmup` rates count as if they were that
    /// of update `warmup` already, so that the annealing area stays 0 while the rate warms up.
    ///
    /// # Errors
    /// If a rate is negative or not finite, `memory` is out of range, or `warmup` leaves no rate.
    pub fn of(rates: &[f64], warmup: usize, memory: f64) -> Result<Self> {
        check(
            "memory",
            memory,
            (0.0..1.0).contains(&memory),
            "0 up to 1, without 1",
        )?;
        let Some(peak) = rates.get(warmup) else {
            return Err(Error::TooFew {
                field: "rates",
                found: rates.len(),
                needed: warmup + 1,
            });
        };
        for rate in rates {
            check_not_negative("rates", *rate)?;
        }
        let (mut forward, mut annealing) = (Vec::new(), Vec::new());
        let (mut before, mut sum, mut momentum, mut area) = (*peak, 0.0, 0.0, 0.0);
        for (update, rate) in rates.iter().enumerate() {
            let rate = if update < warmup { *peak } else { *rate };
            sum += rate;
            momentum = memory * momentum + (before - rate);
            area += momentum;
            before = rate;
            forward.push(sum);
            annealing.push(area);
        }
        Ok(Self { forward, annealing })
    }
}

/// A run's rates and the losses that were measured along it.
///
/// ```
/// use regimen_schedules::law::LossCurve;
/// use regimen_schedules::{Cosine, ScheduleExt};
///
/// let rate = Cosine::new(1e-3, 1_000)?.warmed_up(100)?;
/// let curve = LossCurve::new(&rate, 1_100, vec![(400, 3.1), (800, 2.9), (1_100, 2.8)])?.with_warmup(100)?;
/// assert_eq!(curve.points().len(), 3);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossCurve {
    rates: Vec<f64>,
    warmup: usize,
    points: Vec<(usize, f64)>,
}

impl LossCurve {
    /// A run of `updates` by `rate`, with losses as `(updates done, loss)`: 1 to `updates`, losses above 0, in nats.
    ///
    /// # Errors
    /// If a point lies outside of the run, a loss is not above 0, or a rate is negative or not finite.
    pub fn new(
        rate: &(impl Schedule + Sync),
        updates: usize,
        points: Vec<(usize, f64)>,
    ) -> Result<Self> {
        Self::of_rates(rate.table(updates), points)
    }

    /// As [`new`](Self::new) for rates that were logged, one an update.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_rates(rates: Vec<f64>, points: Vec<(usize, f64)>) -> Result<Self> {
        for rate in &rates {
            check_not_negative("rates", *rate)?;
        }
        for (updates, loss) in &points {
            let inside = (1..=rates.len()).contains(updates);
            check(
                "points",
                *updates as f64,
                inside,
                "1 to the updates of the run",
            )?;
            check_positive("points", *loss)?;
        }
        let warmup = 0;
        Ok(Self {
            rates,
            warmup,
            points,
        })
    }

    /// Counts the first `warmup` updates as warm-up: their rates are taken as the peak's, and their losses are left out.
    ///
    /// # Errors
    /// If `warmup` leaves no update.
    pub fn with_warmup(self, warmup: usize) -> Result<Self> {
        let left = warmup < self.rates.len();
        check(
            "warmup",
            warmup as f64,
            left,
            "less than the updates of the run",
        )?;
        Ok(Self { warmup, ..self })
    }

    /// The rates, one an update.
    #[must_use]
    pub fn rates(&self) -> &[f64] {
        &self.rates
    }

    /// Updates that count as warm-up.
    #[must_use]
    pub fn warmup(&self) -> usize {
        self.warmup
    }

    /// The losses after the warm-up, as `(updates done, loss)`.
    #[must_use]
    pub fn points(&self) -> Vec<(usize, f64)> {
        let points = self.points.iter().copied();
        points
            .filter(|(updates, _)| *updates > self.warmup)
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Constant, Cosine, Wsd};
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    #[test]
    fn areas_of_six_rates() {
        let areas = Areas::of(&[1.0, 1.0, 1.0, 0.5, 0.5, 0.0], 0, 0.9).unwrap();
        assert_eq!(areas.forward, [1.0, 2.0, 3.0, 3.5, 4.0, 4.0]);
        let expected = [0.0, 0.0, 0.0, 0.5, 0.95, 1.855];
        for (found, expected) in areas.annealing.iter().zip(expected) {
            assert_relative_eq!(*found, expected, epsilon = 1e-12);
        }
    }

    #[test]
    fn areas_of_a_thousand_updates() {
        let ends = |rates: Vec<f64>| {
            let areas = Areas::of(&rates, 0, 0.999).unwrap();
            (areas.forward, areas.annealing)
        };
        let (one, two) = ends(Cosine::new(2e-4, 1000).unwrap().table(1001));
        assert_relative_eq!(one[1000], 0.1001, epsilon = 1e-10);
        assert_relative_eq!(two[1000], 0.07588674268, epsilon = 1e-10);
        assert_relative_eq!(one[500], 0.08198096244, epsilon = 1e-10);
        assert_relative_eq!(two[500], 0.01607351215, epsilon = 1e-10);
        let (one, two) = ends(Wsd::new(2e-4, 0, 900, 100).unwrap().table(1001));
        assert_relative_eq!(one[1000], 0.1901, epsilon = 1e-10);
        assert_relative_eq!(two[1000], 0.00977470993, epsilon = 1e-10);
        let (one, two) = ends(Constant::new(2e-4).unwrap().table(1001));
        assert_relative_eq!(one[1000], 0.2002, epsilon = 1e-10);
        assert!(two.iter().all(|area| *area == 0.0));
    }

    #[test]
    fn one_drop_approaches_its_limit() {
        let mut rates = vec![2e-4; 10];
        rates.extend([0.0; 30_000]);
        let areas = Areas::of(&rates, 0, 0.999).unwrap();
        for s in [10_usize, 500, 5_000] {
            let expected = 2e-4 * (1.0 - 0.999_f64.powi(s as i32 - 10 + 1)) / 0.001;
            assert_relative_eq!(areas.annealing[s], expected, max_relative = 1e-9);
        }
        assert_relative_eq!(areas.annealing[30_009], 0.2, max_relative = 1e-9);
    }

    #[test]
    fn a_warm_up_counts_as_the_peak() {
        let rates = [0.25, 0.5, 0.75, 1.0, 1.0, 0.5];
        let areas = Areas::of(&rates, 3, 0.9).unwrap();
        assert_eq!(areas.forward, [1.0, 2.0, 3.0, 4.0, 5.0, 5.5]);
        assert_eq!(areas.annealing, [0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
    }

    #[test]
    fn bad_curves_are_named() {
        let text = |result: Result<LossCurve>| result.unwrap_err().to_string();
        let rates = || vec![1.0; 4];
        assert!(text(LossCurve::of_rates(rates(), vec![(5, 1.0)])).contains("points"));
        assert!(text(LossCurve::of_rates(rates(), vec![(0, 1.0)])).contains("points"));
        assert!(text(LossCurve::of_rates(rates(), vec![(1, f64::NAN)])).contains("points"));
        assert!(text(LossCurve::of_rates(vec![-1.0], vec![])).contains("rates"));
        let curve = LossCurve::of_rates(rates(), vec![(2, 1.0), (4, 0.5)]).unwrap();
        assert!(text(curve.clone().with_warmup(4)).contains("warmup"));
        assert_eq!(curve.with_warmup(2).unwrap().points(), [(4, 0.5)]);
        assert!(Areas::of(&[], 0, 0.9).is_err());
        assert!(Areas::of(&[1.0], 0, 1.0).is_err());
    }

    proptest! {
        #[test]
        fn the_recursion_is_the_double_sum(rates in prop::collection::vec(0.0_f64..1.0, 1..40), memory in 0.0_f64..0.999) {
            let areas = Areas::of(&rates, 0, memory).unwrap();
            for s in 0..rates.len() {
                let term = |i: usize| -> f64 {
                    (1..=i).map(|k| (rates[k - 1] - rates[k]) * memory.powi((i - k) as i32)).sum()
                };
                let expected: f64 = (0..=s).map(term).sum();
                prop_assert!((areas.annealing[s] - expected).abs() < 1e-9);
            }
        }
    }
}
