//! # LossCurve
//!
//! A measured curve of losses with the rates of its run: what the annealing law is fitted to, and judged by.
//!
//! Source: Tissue, Wang and Wang, "Scaling Law with Learning Rate Annealing" (arXiv 2408.11029).

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::areas::{AreaPoint, Areas};
use crate::compose::ScheduleExt;
use crate::error::{Error, Result, check, check_not_negative, check_positive};
use crate::schedule::Schedule;

checked_serde!(LossCurve);

/// A run's rates and the losses that were measured along it.
///
/// ```
/// use regimen_schedules::forecast::law::LossCurve;
/// use regimen_schedules::{Cosine, ScheduleExt};
///
/// let rate = Cosine::new(1e-3, 1_000)?.warmed_up(100)?;
/// let curve = LossCurve::new(&rate, 1_100, vec![(400, 3.1), (800, 2.9), (1_100, 2.8)])?.with_warmup(100)?;
/// assert_eq!(curve.points().len(), 3);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct LossCurve {
    rates: Vec<f64>,
    warmup: usize,
    points: Vec<(usize, f64)>,
}

impl Checked for LossCurve {
    type Error = Error;

    fn check(&self) -> Result<()> {
        for rate in &self.rates {
            check_not_negative("rates", *rate)?;
        }
        for (updates, loss) in &self.points {
            let inside = (1..=self.rates.len()).contains(updates);
            let allowed = "1 to the updates of the run";
            check("points", *updates as f64, inside, allowed)?;
            check_positive("points", *loss)?;
        }
        let left = self.warmup < self.rates.len();
        let allowed = "less than the updates of the run";
        check("warmup", self.warmup as f64, left, allowed)
    }
}

impl LossCurve {
    /// A run of `updates` by `rate`, with losses as `(updates done, loss)`: 1 to `updates`, losses above 0, in nats.
    ///
    /// # Errors
    /// If there is no update, or more than `2^27`, a point lies outside of the run, a loss is not above 0, or a rate is negative or not finite.
    pub fn new(
        rate: &(impl Schedule + Sync),
        updates: usize,
        points: Vec<(usize, f64)>,
    ) -> Result<Self> {
        Self::of_rates(rate.table(updates)?, points)
    }

    /// As [`new`](Self::new) for rates that were logged, one an update.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_rates(rates: Vec<f64>, points: Vec<(usize, f64)>) -> Result<Self> {
        Self {
            rates,
            warmup: 0,
            points,
        }
        .checked()
    }

    /// Counts the first `warmup` updates as warm-up: their rates are taken as the peak's, and their losses are left out.
    ///
    /// # Errors
    /// If `warmup` leaves no update.
    pub fn with_warmup(self, warmup: usize) -> Result<Self> {
        Self { warmup, ..self }.checked()
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

    /// The losses after the warm-up with the areas of the rates up to each.
    ///
    /// # Errors
    /// As [`Areas::of`].
    pub fn areas(&self, memory: f64) -> Result<Vec<AreaPoint>> {
        let areas = Areas::of(&self.rates, self.warmup, memory)?;
        let point = |(done, loss): (usize, f64)| AreaPoint {
            forward: areas.forward[done - 1],
            annealing: areas.annealing[done - 1],
            loss,
        };
        Ok(self.points().into_iter().map(point).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
        let json = serde_json::to_string(&curve).unwrap();
        let back: LossCurve = serde_json::from_str(&json).unwrap();
        assert_eq!(back, curve);
        let outside = json.replace("[4,", "[5,");
        assert!(serde_json::from_str::<LossCurve>(&outside).is_err());
        assert_eq!(curve.with_warmup(2).unwrap().points(), [(4, 0.5)]);
    }
}
