//! # Constant, Linear, Cosine, InverseSqrt, Polynomial
//!
//! The standard shapes, each in closed form from a peak to the end of a run.
//!
//! Source: cosine after Loshchilov and Hutter 2017; inverse square root after Vaswani et al. 2017.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::error::{
    Error, Result, check, check_finite, check_not_negative, check_positive, check_steps,
};
use crate::maths::{half_cosine, lerp, one, power};
use crate::schedule::{Schedule, fill_counted};

/// The same value at every step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Constant {
    value: f64,
}
checked_serde!(Constant, Linear, Cosine, InverseSqrt, Polynomial);

impl Constant {
    /// 1 at every step: the neutral factor.
    pub const ONE: Self = Self { value: 1.0 };

    /// A finite value.
    ///
    /// # Errors
    /// If the value is not finite.
    pub fn new(value: f64) -> Result<Self> {
        Self { value }.checked()
    }
}

impl Checked for Constant {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_finite("value", self.value)
    }
}

impl Schedule for Constant {
    fn at(&self, _step: usize) -> f64 {
        self.value
    }
}

/// Progress of a step through a run, 0 at step 0 and 1 from step `steps` on.
#[inline]
pub(crate) fn progress(step: usize, steps: usize) -> f64 {
    step.min(steps) as f64 / steps as f64
}

/// Linear decay to zero, `peak (1 - t / steps)`; or a straight line between any two values.
///
/// The worst-case optimal schedule for the last iterate of a run of known length
/// (arXiv 2310.07831, theorem 1 with constant weights). The paper counts updates from 1 and ends
/// the last one at rate 0; counted from 0, update `t` here has the paper's value of `t`, so the
/// last update of the run, `steps - 1`, still moves: [`Refined`](crate::Refined) gives the paper's
/// own alignment.
#[doc(alias("LinearLR", "linear_schedule"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Linear {
    #[serde(alias = "peak")]
    from: f64,
    #[serde(default)]
    to: f64,
    steps: usize,
}

impl Linear {
    /// From `peak`, finite and 0 or more, to 0 over `steps`, 1 or more.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, steps: usize) -> Result<Self> {
        check_steps(steps)?;
        check_not_negative("peak", peak)?;
        Self::between(peak, 0.0, steps)
    }

    /// `from + (to - from) t / steps`, then `to` for ever.
    ///
    /// # Errors
    /// If a value is not finite or `steps` is 0.
    pub fn between(from: f64, to: f64, steps: usize) -> Result<Self> {
        Self { from, to, steps }.checked()
    }
}

impl Checked for Linear {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check_finite("from", self.from)?;
        check_finite("to", self.to)
    }
}

impl Schedule for Linear {
    fn at(&self, step: usize) -> f64 {
        let progress = progress(step, self.steps);
        self.from * (1.0 - progress) + self.to * progress
    }
}

/// Half a cosine: `end + (peak - end) ((1 + cos(pi p^k)) / 2)^exponent` with `p = t / steps`, then
/// `end` for ever.
///
/// `k` and `exponent` are 1 unless set. Differs from Burn's own cosine and from torch's
/// `CosineAnnealingLR`, which rise again after their end.
#[doc(alias("CosineAnnealingLR", "CosineDecay", "cosine_decay_schedule"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Cosine {
    peak: f64,
    #[serde(default)]
    end: f64,
    steps: usize,
    #[serde(default = "one")]
    exponent: f64,
    #[serde(default = "one")]
    k_decay: f64,
}

impl Cosine {
    /// From `peak` to 0 over `steps`, 1 or more; rates above 1 are allowed.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, steps: usize) -> Result<Self> {
        let (end, exponent, k_decay) = (0.0, 1.0, 1.0);
        Self {
            peak,
            end,
            steps,
            exponent,
            k_decay,
        }
        .checked()
    }

    /// Ends at `end` instead of 0, any finite value. A library that asks for a fraction of the peak (`alpha`) means
    /// `alpha * peak`.
    ///
    /// # Errors
    /// If `end` is not finite.
    pub fn with_end(self, end: f64) -> Result<Self> {
        Self { end, ..self }.checked()
    }

    /// Raises the cosine factor to a power, above 0.
    ///
    /// # Errors
    /// If `exponent` is out of its range.
    pub fn with_exponent(self, exponent: f64) -> Result<Self> {
        Self { exponent, ..self }.checked()
    }

    /// Raises the progress to a power, above 0: a larger one stays high for longer
    /// (k-decay, Zhang and Li 2020, arXiv 2004.05909).
    ///
    /// # Errors
    /// If `k` is out of its range.
    pub fn with_k_decay(self, k: f64) -> Result<Self> {
        Self { k_decay: k, ..self }.checked()
    }
}

impl Checked for Cosine {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check_not_negative("peak", self.peak)?;
        check_finite("end", self.end)?;
        check_positive("exponent", self.exponent)?;
        check_positive("k_decay", self.k_decay)
    }
}

impl Schedule for Cosine {
    fn at(&self, step: usize) -> f64 {
        let progress = power(progress(step, self.steps), self.k_decay);
        let half = half_cosine(progress);
        lerp(self.end, self.peak, power(half, self.exponent))
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        if (self.exponent, self.k_decay) == (1.0, 1.0) {
            let steps = self.steps;
            let progress = move |offset| progress(from + offset, steps);
            let last = || self.at(usize::MAX);
            fill_counted(from, values, last, |values| {
                Curve::Cosine.fill(self.peak, self.end, progress, values);
            });
            return;
        }
        for (offset, value) in values.iter_mut().enumerate() {
            *value = self.at(from.saturating_add(offset));
        }
    }
}

/// `peak / sqrt(1 + t / scale)`: never ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct InverseSqrt {
    peak: f64,
    scale: f64,
}

impl InverseSqrt {
    /// From `peak`, with the time scale `scale` in steps, above 0.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, scale: f64) -> Result<Self> {
        Self { peak, scale }.checked()
    }
}

impl Checked for InverseSqrt {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_not_negative("peak", self.peak)?;
        check_positive("scale", self.scale)
    }
}

impl Schedule for InverseSqrt {
    fn at(&self, step: usize) -> f64 {
        self.peak / (1.0 + step as f64 / self.scale).sqrt()
    }
}

/// A linear warm-up over a fraction of the run, then `end + (peak - end) (1 - progress)^power`.
///
/// The closed forms that imitate refined schedules; [`Polynomial::imitating`] knows those that the
/// authors plot. [`Polynomial::decay`] is the polynomial decay of the training libraries.
#[doc(alias("PolynomialLR", "PolynomialDecay", "polynomial_schedule"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Polynomial {
    peak: f64,
    #[serde(default)]
    end: f64,
    steps: usize,
    #[serde(default)]
    warmup: f64,
    power: f64,
    #[serde(default = "one")]
    k_decay: f64,
    #[serde(default)]
    cycle: bool,
}

/// Tasks whose refined schedules the authors imitate: name, warm-up fraction, exponent.
pub const SHAPES: [(&str, f64, f64); 6] = [
    ("DLRM", 0.20, 0.9),
    ("GPT", 0.28, 1.0),
    ("RoBERTa", 0.45, 0.8),
    ("MRI", 0.40, 0.9),
    ("RCNN", 0.0, 1.5),
    ("ImageNet", 0.01, 3.0),
];

impl Polynomial {
    /// Over `steps`, with a warm-up fraction in `0..1` and an exponent above 0.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, steps: usize, warmup: f64, power: f64) -> Result<Self> {
        let (end, k_decay, cycle) = (0.0, 1.0, false);
        Self {
            peak,
            end,
            steps,
            warmup,
            power,
            k_decay,
            cycle,
        }
        .checked()
    }

    /// From `peak`, 0 or more, to `end`, any finite value, over `steps`, 1 or more, without a warm-up.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn decay(peak: f64, end: f64, steps: usize, power: f64) -> Result<Self> {
        let (warmup, k_decay, cycle) = (0.0, 1.0, false);
        Self {
            peak,
            end,
            steps,
            warmup,
            power,
            k_decay,
            cycle,
        }
        .checked()
    }

    /// `1 - progress^k` in place of `1 - progress`, with `k` above 0.
    ///
    /// # Errors
    /// If `k` is out of its range.
    pub fn with_k_decay(self, k: f64) -> Result<Self> {
        Self { k_decay: k, ..self }.checked()
    }

    /// Never ends: past the end of the decay its length counts as twice, then three times as
    /// long, and so on, so that the value jumps up and decays on. Only without a warm-up.
    ///
    /// # Errors
    /// If the warm-up is not 0.
    pub fn with_cycle(self) -> Result<Self> {
        Self {
            cycle: true,
            ..self
        }
        .checked()
    }

    /// The shape of one of [`SHAPES`], by name; `None` for another name.
    #[must_use]
    pub fn imitating(task: &str, peak: f64, steps: usize) -> Option<Result<Self>> {
        let (_, warmup, power) = SHAPES.into_iter().find(|(name, ..)| *name == task)?;
        Some(Self::new(peak, steps, warmup, power))
    }
}

impl Checked for Polynomial {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check_not_negative("peak", self.peak)?;
        check_finite("end", self.end)?;
        let warmup = self.warmup;
        check(
            "warmup",
            warmup,
            (0.0..1.0).contains(&warmup),
            "0 to below 1",
        )?;
        let alone = warmup == 0.0 || !self.cycle;
        check("warmup", warmup, alone, "0 in a schedule that cycles")?;
        check_positive("power", self.power)?;
        check_positive("k_decay", self.k_decay)
    }
}

impl Schedule for Polynomial {
    fn at(&self, step: usize) -> f64 {
        let length = if self.cycle {
            self.steps.saturating_mul(step.div_ceil(self.steps).max(1))
        } else {
            self.steps
        };
        let t = progress(step, length);
        if t < self.warmup {
            return self.peak * t / self.warmup;
        }
        let mut rest = (1.0 - t) / (1.0 - self.warmup);
        if self.k_decay != 1.0 {
            rest = 1.0 - power(1.0 - rest, self.k_decay);
        }
        lerp(self.end, self.peak, power(rest, self.power))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cosine_stays_down_after_its_end() {
        let rate = Cosine::new(2.0, 10).unwrap().with_end(0.5).unwrap();
        assert_eq!((rate.at(0), rate.at(10), rate.at(15)), (2.0, 0.5, 0.5));
        assert!((rate.at(5) - 1.25).abs() < 1e-12);
    }

    #[test]
    fn shape_table() {
        let gpt = Polynomial::imitating("GPT", 1.0, 100).unwrap().unwrap();
        assert_eq!(
            (gpt.at(0), gpt.at(28), gpt.at(64), gpt.at(100)),
            (0.0, 1.0, 0.5, 0.0)
        );
        let flat = Polynomial::imitating("RCNN", 1.0, 100).unwrap().unwrap();
        assert!((flat.at(50) - 0.5_f64.powf(1.5)).abs() < 1e-12);
        assert!(Polynomial::imitating("ViT", 1.0, 100).is_none());
    }

    #[test]
    fn out_of_range_parameters_are_named() {
        let message = Linear::new(f64::NAN, 5).unwrap_err().to_string();
        assert_eq!(message, "`peak` is NaN: allowed is 0 or more");
        assert!(Linear::new(1.0, 0).is_err());
        assert!(Cosine::new(-1.0, 5).is_err());
        assert!(InverseSqrt::new(1.0, 0.0).is_err());
        assert!(Polynomial::new(1.0, 5, 1.0, 1.0).is_err());
        assert!(Constant::new(f64::INFINITY).is_err());
    }
}
