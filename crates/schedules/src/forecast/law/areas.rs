//! # Areas
//!
//! What the annealing law reads off a run's rates: the area under them, and the area of their fall with a fading memory.
//!
//! Source: Tissue, Wang and Wang, "Scaling Law with Learning Rate Annealing" (arXiv 2408.11029).

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use crate::error::{
    Error, Result, check, check_finite, check_not_negative, check_positive, check_same,
};

checked_serde!(RunningAreas, Areas, AreaPoint);

impl Checked for Areas {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let (one, two) = (self.forward.len(), self.annealing.len());
        check("annealing", two as f64, one == two, "as many as `forward`")?;
        let rises = self.forward.is_sorted() && self.forward.iter().all(|area| *area >= 0.0);
        let last = self.forward.last().copied().unwrap_or(0.0);
        check("forward", last, rises, "areas that do not fall, 0 or more")?;
        let finite = |area: &f64| check_finite("annealing", *area);
        self.annealing.iter().try_for_each(finite)
    }
}

impl Checked for AreaPoint {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_positive("forward", self.forward)?;
        check_finite("annealing", self.annealing)?;
        check_positive("loss", self.loss)
    }
}

impl Part for RunningAreas {
    fn kind(&self) -> String {
        "running-areas 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    /// The saved memory must be the same.
    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let read: Self = json::load(bytes)?;
        check_same("memory", &read.memory, &self.memory)?;
        *self = read;
        Ok(())
    }
}

/// The areas of a run so far: [`Areas`] one update at a time. Saved with serde and read again, it goes on where it was.
///
/// ```
/// use regimen_schedules::forecast::law::RunningAreas;
///
/// let mut areas = RunningAreas::new(0.9)?;
/// for rate in [1.0, 1.0, 1.0, 0.5, 0.5, 0.0] {
///     areas.observe(rate)?;
/// }
/// assert_eq!(areas.forward(), 4.0);
/// assert!((areas.annealing() - 1.855).abs() < 1e-12);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct RunningAreas {
    memory: f64,
    before: Option<f64>,
    forward: f64,
    momentum: f64,
    annealing: f64,
}

impl Checked for RunningAreas {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let inside = (0.0..1.0).contains(&self.memory);
        check("memory", self.memory, inside, "0 up to 1, without 1")?;
        check_not_negative("before", self.before.unwrap_or(0.0))?;
        check_not_negative("forward", self.forward)?;
        check_finite("momentum", self.momentum)?;
        check_finite("annealing", self.annealing)
    }
}

impl RunningAreas {
    /// Before the first update, with `memory` in `0..1`: the share of a fall of the rate that still counts one update later.
    ///
    /// # Errors
    /// If `memory` is out of range.
    pub fn new(memory: f64) -> Result<Self> {
        Self {
            memory,
            before: None,
            forward: 0.0,
            momentum: 0.0,
            annealing: 0.0,
        }
        .checked()
    }

    /// Counts an update with this rate. While the rate warms up, give that of the peak.
    ///
    /// # Errors
    /// If the rate is negative or not finite, or a sum overflows; nothing is counted then.
    pub fn observe(&mut self, rate: f64) -> Result<()> {
        check_not_negative("rate", rate)?;
        let momentum = self.memory * self.momentum + (self.before.unwrap_or(rate) - rate);
        let next = Self {
            before: Some(rate),
            forward: self.forward + rate,
            momentum,
            annealing: self.annealing + momentum,
            ..*self
        };
        *self = next.checked()?;
        Ok(())
    }

    /// `S1` after the last update, in units of the rate.
    #[must_use]
    pub fn forward(&self) -> f64 {
        self.forward
    }

    /// `S2` after the last update, in units of the rate.
    #[must_use]
    pub fn annealing(&self) -> f64 {
        self.annealing
    }
}

/// The areas of a run's rates after each of its updates.
///
/// With `eta_i` the rate of update `i`, the forward area is `S1(s) = sum_{i <= s} eta_i` and the annealing area
/// `S2(s) = sum_{i <= s} m_i` with `m_i = memory m_{i-1} + (eta_{i-1} - eta_i)`, `m_1 = 0`: a double sum, in linear time. Decay makes
/// it grow, a rise of the rate makes it fall. It goes on growing after the rate has stopped to change, as far as
/// `drop / (1 - memory)`.
///
/// ```
/// use regimen_schedules::forecast::law::Areas;
///
/// let areas = Areas::of(&[1.0, 1.0, 1.0, 0.5, 0.5, 0.0], 0, 0.9)?;
/// assert_eq!(areas.forward, [1.0, 2.0, 3.0, 3.5, 4.0, 4.0]);
/// assert!((areas.annealing[5] - 1.855).abs() < 1e-12);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Areas {
    /// `S1` after each update, in units of the rate.
    pub forward: Vec<f64>,
    /// `S2` after each update, in units of the rate.
    pub annealing: Vec<f64>,
}

impl Areas {
    /// The areas of these rates, one an update, with `memory` in `0..1`. The first `warmup` rates count as if they were the
    /// first one after them already, so that the annealing area stays 0 while the rate warms up.
    ///
    /// # Errors
    /// If a rate is negative or not finite, `memory` is out of range, or `warmup` leaves no rate.
    pub fn of(rates: &[f64], warmup: usize, memory: f64) -> Result<Self> {
        let mut running = RunningAreas::new(memory)?;
        let Some(peak) = rates.get(warmup) else {
            return Err(Error::TooFew {
                field: "rates",
                found: rates.len(),
                needed: warmup.saturating_add(1),
            });
        };
        for rate in &rates[..warmup] {
            check_not_negative("rates", *rate)?;
        }
        let (mut forward, mut annealing) = (Vec::new(), Vec::new());
        let held = std::iter::repeat_n(peak, warmup);
        for rate in held.chain(&rates[warmup..]) {
            running.observe(*rate)?;
            forward.push(running.forward);
            annealing.push(running.annealing);
        }
        Ok(Self { forward, annealing })
    }
}

/// A loss that was measured, with the areas of its run up to there: from [`Areas`], or kept while the run goes by
/// [`RunningAreas`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct AreaPoint {
    /// `S1`, above 0.
    pub forward: f64,
    /// `S2`.
    pub annealing: f64,
    /// The loss, above 0, in nats.
    pub loss: f64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Constant, Cosine, Curve, ScheduleExt, Wsd};
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
        let (one, two) = ends(Cosine::new(2e-4, 1000).unwrap().table(1001).unwrap());
        assert_relative_eq!(one[1000], 0.1001, epsilon = 1e-10);
        assert_relative_eq!(two[1000], 0.07588674268, epsilon = 1e-10);
        assert_relative_eq!(one[500], 0.08198096244, epsilon = 1e-10);
        assert_relative_eq!(two[500], 0.01607351215, epsilon = 1e-10);
        let wsd = Wsd::new(2e-4, 0, 900, 100).unwrap();
        let wsd = wsd.with_curve(Curve::Linear).unwrap();
        let (one, two) = ends(wsd.table(1001).unwrap());
        assert_relative_eq!(one[1000], 0.1901, epsilon = 1e-10);
        assert_relative_eq!(two[1000], 0.00977470993, epsilon = 1e-10);
        let (one, two) = ends(Constant::new(2e-4).unwrap().table(1001).unwrap());
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
    fn bad_rates_are_named() {
        let text = |rates: &[f64], warmup, memory| {
            let areas = Areas::of(rates, warmup, memory);
            areas.unwrap_err().to_string()
        };
        assert!(text(&[], 0, 0.9).contains("rates"));
        assert!(text(&[1.0], 1, 0.9).contains("rates"));
        for memory in [1.0, -0.1, f64::NAN] {
            assert!(text(&[1.0], 0, memory).contains("memory"));
        }
        for rate in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(text(&[1.0, rate], 0, 0.9).contains("rate"));
            assert!(text(&[rate, 1.0], 1, 0.9).contains("rate"));
        }
        let mut running = RunningAreas::new(0.9).unwrap();
        running.observe(1.0).unwrap();
        let before = running;
        assert!(running.observe(f64::NAN).is_err());
        assert_eq!(running, before);
        assert!(text(&[f64::MAX; 3], 0, 0.9).contains("forward"));
        let json = serde_json::to_string(&running).unwrap();
        let broken = json.replace("0.9", "1.5");
        assert!(serde_json::from_str::<RunningAreas>(&broken).is_err());
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

        #[test]
        fn a_constant_rate_has_no_annealing_area(rate in 0.0_f64..10.0, memory in 0.0_f64..0.9999, updates in 1_usize..200) {
            let areas = Areas::of(&vec![rate; updates], 0, memory).unwrap();
            prop_assert!(areas.annealing.iter().all(|area| *area == 0.0));
        }

        #[test]
        fn areas_scale_with_the_rates(rates in prop::collection::vec(0.0_f64..1.0, 1..40), memory in 0.0_f64..0.999, factor in 0.01_f64..100.0) {
            let scaled: Vec<f64> = rates.iter().map(|rate| factor * rate).collect();
            let (one, other) = (Areas::of(&rates, 0, memory).unwrap(), Areas::of(&scaled, 0, memory).unwrap());
            for s in 0..rates.len() {
                prop_assert!((factor * one.forward[s] - other.forward[s]).abs() < 1e-9 * factor);
                prop_assert!((factor * one.annealing[s] - other.annealing[s]).abs() < 1e-9 * factor);
            }
        }

        #[test]
        fn areas_go_on_from_a_file(rates in prop::collection::vec(0.0_f64..1.0, 2..40), cut in 0.0_f64..1.0, memory in 0.0_f64..0.999) {
            let cut = (cut * rates.len() as f64) as usize;
            let whole = Areas::of(&rates, 0, memory).unwrap();
            let mut running = RunningAreas::new(memory).unwrap();
            for (update, rate) in rates.iter().enumerate() {
                if update == cut {
                    let json = serde_json::to_string(&running).unwrap();
                    running = serde_json::from_str(&json).unwrap();
                }
                running.observe(*rate).unwrap();
                prop_assert_eq!(running.forward(), whole.forward[update]);
                prop_assert_eq!(running.annealing(), whole.annealing[update]);
            }
        }
    }
}
