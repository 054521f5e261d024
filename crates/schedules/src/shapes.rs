//! # Constant, Linear, Cosine, InverseSqrt, Polynomial
//!
//! The standard shapes, each in closed form from a peak to the end of a run.
//!
//! Source: cosine after Loshchilov and Hutter 2017; inverse square root after Vaswani et al. 2017.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::{Result, check, check_steps};
use crate::schedule::Schedule;

/// The same value at every step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constant {
    value: f64,
}

impl Constant {
    /// A finite value.
    ///
    /// # Errors
    /// If the value is not finite.
    pub fn new(value: f64) -> Result<Self> {
        check("value", value, true, "a finite number")?;
        Ok(Self { value })
    }
}

impl Schedule for Constant {
    fn at(&self, _step: usize) -> f64 {
        self.value
    }
}

/// Progress of a step through a run, 0 at step 0 and 1 from step `steps` on.
fn progress(step: usize, steps: usize) -> f64 {
    step.min(steps) as f64 / steps as f64
}

/// Linear decay to zero: `peak (1 - t / steps)`.
///
/// The worst-case optimal schedule for the last iterate of a run of known length
/// (arXiv 2310.07831, theorem 1 with constant weights). The paper counts updates from 1 and ends
/// the last one at rate 0; counted from 0, update `t` here has the paper's value of `t`, so the
/// last update of the run, `steps - 1`, still moves: [`Refined`](crate::Refined) gives the paper's
/// own alignment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    peak: f64,
    steps: usize,
}

impl Linear {
    /// From `peak`, finite and 0 or more, to 0 over `steps`, 1 or more.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, steps: usize) -> Result<Self> {
        check_steps(steps)?;
        check("peak", peak, peak >= 0.0, "0 or more")?;
        Ok(Self { peak, steps })
    }
}

impl Schedule for Linear {
    fn at(&self, step: usize) -> f64 {
        self.peak * (1.0 - progress(step, self.steps))
    }
}

/// Half a cosine: `end + (peak - end) (1 + cos(pi t / steps)) / 2`, then `end` for ever.
///
/// Differs from Burn's own cosine, which rises again after its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cosine {
    peak: f64,
    end: f64,
    steps: usize,
}

impl Cosine {
    /// From `peak` to 0 over `steps`, 1 or more; rates above 1 are allowed.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, steps: usize) -> Result<Self> {
        check_steps(steps)?;
        check("peak", peak, peak >= 0.0, "0 or more")?;
        let end = 0.0;
        Ok(Self { peak, end, steps })
    }

    /// Ends at `end` instead of 0.
    ///
    /// # Errors
    /// If `end` is not finite or negative.
    pub fn with_end(mut self, end: f64) -> Result<Self> {
        check("end", end, end >= 0.0, "0 or more")?;
        self.end = end;
        Ok(self)
    }
}

impl Schedule for Cosine {
    fn at(&self, step: usize) -> f64 {
        let half = 0.5 * (1.0 + (PI * progress(step, self.steps)).cos());
        self.end + (self.peak - self.end) * half
    }
}

/// `peak / sqrt(1 + t / scale)`: never ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
        check("peak", peak, peak >= 0.0, "0 or more")?;
        check("scale", scale, scale > 0.0, "above 0")?;
        Ok(Self { peak, scale })
    }
}

impl Schedule for InverseSqrt {
    fn at(&self, step: usize) -> f64 {
        self.peak / (1.0 + step as f64 / self.scale).sqrt()
    }
}

/// A linear warm-up over a fraction of the run, then `peak (1 - progress)^power`.
///
/// The closed forms that imitate refined schedules; [`Polynomial::imitating`] knows those that the
/// authors plot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Polynomial {
    peak: f64,
    steps: usize,
    warmup: f64,
    power: f64,
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
        check_steps(steps)?;
        check("peak", peak, peak >= 0.0, "0 or more")?;
        check(
            "warmup",
            warmup,
            (0.0..1.0).contains(&warmup),
            "0 to below 1",
        )?;
        check("power", power, power > 0.0, "above 0")?;
        Ok(Self {
            peak,
            steps,
            warmup,
            power,
        })
    }

    /// The shape of one of [`SHAPES`], by name; `None` for another name.
    #[must_use]
    pub fn imitating(task: &str, peak: f64, steps: usize) -> Option<Result<Self>> {
        let (_, warmup, power) = SHAPES.into_iter().find(|(name, ..)| *name == task)?;
        Some(Self::new(peak, steps, warmup, power))
    }
}

impl Schedule for Polynomial {
    fn at(&self, step: usize) -> f64 {
        let t = progress(step, self.steps);
        if t < self.warmup {
            return self.peak * t / self.warmup;
        }
        let rest = (1.0 - t) / (1.0 - self.warmup);
        self.peak * rest.powf(self.power)
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
