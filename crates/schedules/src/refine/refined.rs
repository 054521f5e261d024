//! # Refined schedules
//!
//! A schedule made from the gradient norms of one run, for the next run of the same job.
//!
//! Source: Defazio, Cutkosky, Mehta and Mishchenko, "When, Why and How Much? Adaptive Learning
//! Rate Scheduling by Refinement", arXiv 2310.07831, algorithms 1 and 2.

use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::smoothing::{finite, interpolate, median_filter_watched};
use crate::error::{Error, Result, check, finite_result};
use crate::schedule::Schedule;

/// Which norm was logged, which decides the power of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Norm {
    /// The Euclidean norm: `w = G^-2`, for SGD with or without momentum.
    L2,
    /// The sum of magnitudes: `w = G^-1`, for Adam and other per-coordinate step sizes.
    L1,
}

impl Norm {
    /// The power of the weights: -2 or -1.
    #[must_use]
    pub fn power(self) -> i32 {
        match self {
            Self::L2 => -2,
            Self::L1 => -1,
        }
    }
}

/// The refined weights `w_t = G_t^power` of norms that are above 0.
///
/// For [`Norm::L2`] they minimise the last-iterate bound ([`bound`]) up to their common scale.
///
/// # Errors
/// If a norm is not finite or not above 0: a run whose gradients vanish can't be refined. If one is so small that its weight is
/// not finite, below 1e-154 for [`Norm::L2`].
pub fn weights(norms: &[f64], norm: Norm) -> Result<Vec<f64>> {
    finite("norms", norms)?;
    if let Some(small) = norms.iter().find(|value| **value <= 0.0) {
        check("norms", *small, false, "above 0")?;
    }
    let weights: Vec<f64> = norms.iter().map(|g| g.powi(norm.power())).collect();
    for (norm, weight) in norms.iter().zip(&weights) {
        finite_result("norms", *weight, *norm)?;
    }
    Ok(weights)
}

/// The step sizes of a sequence of weights, `eta_t = w_t sum_{p > t} w_p / sum_p w_p`.
///
/// The tail sum starts after `t`: the last value is exactly 0, and with constant weights the
/// first is `(T - 1) / T`.
///
/// # Errors
/// If there is no weight, or one is negative or not finite, or all are 0.
///
/// ```
/// use regimen_schedules::refine::step_sizes;
///
/// assert_eq!(step_sizes(&[1.0; 5])?, [0.8, 0.6, 0.4, 0.2, 0.0]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
pub fn step_sizes(weights: &[f64]) -> Result<Vec<f64>> {
    finite("weights", weights)?;
    let total = total(weights)?;
    // Products of the largest and the smallest numbers are not numbers.
    let usual = (1e-150..1e150).contains(&total);
    let mut tail = 0.0;
    let mut sizes: Vec<f64> = Vec::with_capacity(weights.len());
    for weight in weights.iter().rev() {
        sizes.push(if usual {
            weight * tail / total
        } else {
            weight * (tail / total)
        });
        tail += weight;
    }
    sizes.reverse();
    Ok(sizes)
}

/// The sum of weights that are 0 or more and not all 0.
fn total(weights: &[f64]) -> Result<f64> {
    let total: f64 = weights.iter().sum();
    let least = weights.iter().copied().fold(f64::INFINITY, f64::min);
    check(
        "weights",
        least,
        least >= 0.0 && total > 0.0,
        "0 or more, not all 0",
    )?;
    check("weights", total, true, "a finite sum")?;
    Ok(total)
}

/// The convergence bound of the last iterate, `(D^2 + sum w_t^2 G_t^2) / (2 sum w_t)`, with the
/// common scale of the weights chosen best: `D sqrt(sum w_t^2 G_t^2) / sum w_t`.
///
/// With the refined weights it is `D / sqrt(sum G_t^-2)`, its least value over all weights
/// (section 3). Norms are Euclidean, `distance` is `D = ||x_1 - x*||`.
///
/// # Errors
/// If the lengths differ, a value or the bound is not finite, a weight or the distance is negative, or all weights are 0.
pub fn bound(weights: &[f64], norms: &[f64], distance: f64) -> Result<f64> {
    finite("weights", weights)?;
    finite("norms", norms)?;
    if weights.len() != norms.len() {
        return Err(Error::OutOfRange {
            field: "norms",
            value: format!("{} long", norms.len()),
            allowed: "as long as `weights`",
        });
    }
    check("distance", distance, distance >= 0.0, "0 or more")?;
    let total = total(weights)?;
    let pairs = weights.iter().zip(norms);
    let squares: f64 = pairs.map(|(w, g)| (w * g).powi(2)).sum();
    let largest = norms.iter().copied().fold(0.0, f64::max);
    let norm = finite_result("norms", squares.sqrt() / total, largest)?;
    finite_result("distance", distance * norm, distance)
}

/// How a run's norms become a schedule.
///
/// | field | default | range |
/// |---|---|---|
/// | `norm` | required | [`Norm::L2`] for SGD, [`Norm::L1`] for Adam |
/// | `smoothing` | 0.1 | fraction of the run that the median filter spans, `0..=1` |
///
/// ```
/// use regimen_schedules::{Norm, RefinedConfig, Schedule};
///
/// // Gradient norms of a first run, one an update; the next run has a peak rate of 0.5.
/// let norms: Vec<f64> = (1..=1000).map(|t| f64::from(t).powf(-0.5)).collect();
/// let rate = RefinedConfig::new(Norm::L2).init(&norms)?.with_peak(0.5)?;
/// assert!(rate.at(0) < 0.1 && (rate.at(577) - 0.5).abs() < 0.01 && rate.at(999) == 0.0);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RefinedConfig {
    /// The norm that was logged.
    pub norm: Norm,
    /// Width of the median filter as a fraction of the run.
    pub smoothing: f64,
}

impl RefinedConfig {
    /// The paper's practical refinement for a norm.
    #[must_use]
    pub fn new(norm: Norm) -> Self {
        let smoothing = 0.1;
        Self { norm, smoothing }
    }

    /// Another width of the median filter, as a fraction of the run.
    #[must_use]
    pub fn with_smoothing(mut self, smoothing: f64) -> Self {
        self.smoothing = smoothing;
        self
    }

    /// The schedule for a run of as many steps as there are norms, one an update.
    ///
    /// Norms are those of the gradients that were applied, before any clipping (the paper does
    /// not say; before clipping the norms carry more).
    ///
    /// # Errors
    /// If fewer than two norms are given, one is not finite or not above 0, or `smoothing` is
    /// out of its range.
    pub fn init(&self, norms: &[f64]) -> Result<Refined> {
        self.init_watched(norms, &Watch::default())
    }

    /// [`init`](Self::init), with its filter watched as [`median_filter_watched`]. Where it is stopped, the schedule of the norms that are
    /// smoothed so far and, after them, of the others as they are.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    #[tracing::instrument(name = "refine a schedule", skip_all, fields(norms = norms.len()))]
    pub fn init_watched(&self, norms: &[f64], watch: &Watch) -> Result<Refined> {
        self.check()?;
        if norms.len() < 2 {
            return Err(Error::TooFew {
                field: "norms",
                found: norms.len(),
                needed: 2,
            });
        }
        let smooth = median_filter_watched(norms, self.width(norms.len()), watch)?;
        let weights = weights(&smooth, self.norm)?;
        let total: f64 = weights.iter().sum();
        let allowed = "norms whose weights have a sum above 0 that is finite";
        check(
            "norms",
            smooth[0],
            total > 0.0 && total.is_finite(),
            allowed,
        )?;
        Refined::from_weights(&weights)
    }

    /// The filter's width: the largest odd number up to `smoothing * steps + 1`.
    fn width(&self, steps: usize) -> usize {
        2 * ((self.smoothing * steps as f64) as usize / 2) + 1
    }
}

impl Checked for RefinedConfig {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let smoothing = self.smoothing;
        let inside = (0.0..=1.0).contains(&smoothing);
        check("smoothing", smoothing, inside, "0 to 1")
    }
}

/// A refined schedule: a shape in `0..=1` over a run, times a peak rate.
///
/// The peak is to be swept again for the new run. When the norms collapse towards zero late in
/// training (a model that memorises a small set), the shape becomes a long rise that does worse
/// than [`Linear`](crate::Linear) decay: look at it before use, and fall back to linear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Refined {
    shape: Vec<f64>,
    steps: usize,
    peak: f64,
}
checked_serde!(Refined, RefinedConfig);

impl Checked for Refined {
    type Error = Error;

    fn check(&self) -> Result<()> {
        crate::error::check_steps(self.steps)?;
        finite("shape", &self.shape)?;
        for value in &self.shape {
            check("shape", *value, (0.0..=1.0).contains(value), "0 to 1")?;
        }
        check("peak", self.peak, self.peak >= 0.0, "0 or more")
    }
}

impl Refined {
    /// The schedule of any weights, by [`step_sizes`].
    ///
    /// # Errors
    /// As [`step_sizes`], or if all step sizes are 0.
    pub fn from_weights(weights: &[f64]) -> Result<Self> {
        Self::from_step_sizes(&step_sizes(weights)?)
    }

    /// The schedule of step sizes up to their common scale, such as `numerical_step_sizes` (feature `forecast`).
    ///
    /// # Errors
    /// If one is negative or not finite, or none is above 0.
    pub fn from_step_sizes(sizes: &[f64]) -> Result<Self> {
        finite("sizes", sizes)?;
        let least = sizes.iter().copied().fold(f64::INFINITY, f64::min);
        check("sizes", least, least >= 0.0, "0 or more")?;
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        check("sizes", largest, largest > 0.0, "one or more above 0")?;
        let shape: Vec<f64> = sizes.iter().map(|size| size / largest).collect();
        let steps = shape.len();
        let peak = 1.0;
        Ok(Self { shape, steps, peak })
    }

    /// With a peak rate, finite and 0 or more.
    ///
    /// # Errors
    /// If the peak is out of its range.
    pub fn with_peak(mut self, peak: f64) -> Result<Self> {
        check("peak", peak, peak >= 0.0, "0 or more")?;
        self.peak = peak;
        Ok(self)
    }

    /// For a run of another length: the shape is resampled by linear interpolation over `t / T`.
    ///
    /// # Errors
    /// If `steps` is 0.
    pub fn with_steps(mut self, steps: usize) -> Result<Self> {
        crate::error::check_steps(steps)?;
        self.steps = steps;
        Ok(self)
    }

    /// The shape, in `0..=1`, as it was refined.
    #[must_use]
    pub fn shape(&self) -> &[f64] {
        &self.shape
    }

    /// Where the peak lies, as a fraction of the run. Beyond one half, prefer linear decay.
    #[must_use]
    pub fn peak_position(&self) -> f64 {
        let values = self.shape.iter().enumerate();
        let peak = values
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map_or(0, |(i, _)| i);
        peak as f64 / self.shape.len() as f64
    }
}

impl Schedule for Refined {
    fn at(&self, step: usize) -> f64 {
        let last = self.shape.len() - 1;
        if self.steps == self.shape.len() {
            return self.peak * self.shape[step.min(last)];
        }
        let position = step as f64 * last as f64 / (self.steps.max(2) - 1) as f64;
        self.peak * interpolate(&self.shape, position.min(last as f64))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;

    use super::*;

    const G: [f64; 6] = [4.0, 2.0, 1.0, 1.0, 2.0, 4.0];

    fn normalised(norms: &[f64], norm: Norm) -> Vec<f64> {
        let weights = weights(norms, norm).unwrap();
        Refined::from_weights(&weights).unwrap().shape().to_vec()
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert_abs_diff_eq!(a, b, epsilon = 1e-9);
        }
    }

    #[test]
    fn constant_weights_t5() {
        let raw = step_sizes(&[1.0; 5]).unwrap();
        assert_close(&raw, &[0.8, 0.6, 0.4, 0.2, 0.0]);
        assert_abs_diff_eq!(raw.iter().sum::<f64>(), 2.0, epsilon = 1e-12);
        assert_close(
            &normalised(&[3.0; 5], Norm::L2),
            &[1.0, 0.75, 0.5, 0.25, 0.0],
        );
    }

    #[test]
    fn sgd_power_minus_2() {
        let raw = step_sizes(&weights(&G, Norm::L2).unwrap()).unwrap();
        let expected = [
            0.0610119048,
            0.2202380952,
            0.5,
            0.1190476190,
            0.0059523810,
            0.0,
        ];
        assert_close(&raw, &expected.map(round9));
        let expected = [
            0.1220238095,
            0.4404761905,
            1.0,
            0.2380952381,
            0.0119047619,
            0.0,
        ];
        assert_close(&normalised(&G, Norm::L2), &expected);
    }

    #[test]
    fn adam_power_minus_1() {
        let raw = step_sizes(&weights(&G, Norm::L1).unwrap()).unwrap();
        let expected = [
            0.2321428571,
            0.3928571429,
            0.5,
            0.2142857143,
            0.0357142857,
            0.0,
        ];
        assert_close(&raw, &expected);
        let expected = [
            0.4642857143,
            0.7857142857,
            1.0,
            0.4285714286,
            0.0714285714,
            0.0,
        ];
        assert_close(&normalised(&G, Norm::L1), &expected);
    }

    #[test]
    fn bound_and_absolute_rates() {
        let weights = weights(&G, Norm::L2).unwrap();
        let least = bound(&weights, &G, 1.0).unwrap();
        assert_abs_diff_eq!(least, 0.6172133998, epsilon = 1e-9);
        assert!(bound(&[1.0; 6], &G, 1.0).unwrap() > least);
        let rates: Vec<f64> = step_sizes(&weights)
            .unwrap()
            .iter()
            .map(|raw| least * raw)
            .collect();
        let expected = [
            0.0376573652,
            0.1359339035,
            0.3086066999,
            0.0734777857,
            0.0036738893,
            0.0,
        ];
        assert_close(&rates, &expected);
    }

    #[test]
    fn falling_norms_create_warmup() {
        let norms: Vec<f64> = (1..=10).map(|t| f64::from(t).powf(-0.5)).collect();
        let expected = [
            0.2647058824,
            0.5098039216,
            0.7205882353,
            0.8823529412,
            0.9803921569,
            1.0,
            0.9264705882,
            0.7450980392,
            0.4411764706,
            0.0,
        ];
        assert_close(&normalised(&norms, Norm::L2), &expected);
    }

    #[test]
    fn end_to_end_smoothing_04() {
        let g = [9.0, 3.0, 5.0, 1.0, 7.0, 2.0, 8.0, 4.0, 6.0, 10.0];
        let refine = |norm| {
            RefinedConfig::new(norm)
                .with_smoothing(0.4)
                .init(&g)
                .unwrap()
        };
        let expected = [
            0.2105187112,
            0.6146684005,
            0.5472561769,
            1.0,
            0.2925877763,
            0.2925877763,
            0.0975292588,
            0.0650195059,
            0.0325097529,
            0.0,
        ];
        assert_close(refine(Norm::L2).shape(), &expected);
        let expected = [
            0.5522388060,
            0.8865671642,
            0.7791044776,
            1.0,
            0.4925373134,
            0.4477611940,
            0.2238805970,
            0.1492537313,
            0.0746268657,
            0.0,
        ];
        assert_close(refine(Norm::L1).shape(), &expected);
    }

    #[test]
    fn another_length_is_resampled() {
        let rate = Refined::from_weights(&[1.0; 5]).unwrap();
        let longer = rate.clone().with_steps(9).unwrap().with_peak(2.0).unwrap();
        let values: Vec<f64> = (0..10).map(|t| longer.at(t)).collect();
        assert_close(
            &values,
            &[2.0, 1.75, 1.5, 1.25, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0],
        );
        assert_eq!(rate.at(4), rate.at(400));
    }

    #[test]
    fn norms_that_cannot_be_refined_are_refused() {
        let config = RefinedConfig::new(Norm::L2);
        assert!(config.init(&[1.0]).is_err());
        assert!(config.init(&[1.0, 0.0, 0.0]).is_err());
        assert!(config.init(&[1.0, f64::NAN]).is_err());
        assert!(config.with_smoothing(2.0).init(&G).is_err());
        assert!(step_sizes(&[]).is_err());
        assert!(step_sizes(&[1.0, -1.0]).is_err());
        assert!(bound(&[1.0], &G, 1.0).is_err());
        assert!(bound(&[0.0; 6], &G, 1.0).is_err());
        assert!(bound(&[-1.0; 6], &G, 1.0).is_err());
        assert!(bound(&[1.0; 6], &G, f64::NAN).is_err());
        assert!(
            serde_json::from_str::<Refined>(r#"{ "shape": [1.0, -3.0], "steps": 2, "peak": 1.0 }"#)
                .is_err()
        );
    }

    /// The values above are given to ten digits.
    fn round9(value: f64) -> f64 {
        (value * 1e10).round() / 1e10
    }
}
