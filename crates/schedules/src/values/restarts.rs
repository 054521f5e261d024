//! # WarmRestarts, HardRestarts
//!
//! A descent that starts again: cycles that grow and weaken, or equal ones within a run.
//!
//! Source: SGDR, Loshchilov and Hutter 2017, arXiv 1608.03983; decay and limit of the cycles as in
//! timm, whole cycles of a run as in transformers.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::error::{
    Error, Result, check, check_count, check_not_negative, check_positive, check_steps,
};
use crate::maths::{one, power, whole_power};
use crate::schedule::Schedule;

/// SGDR: cycle `n` lasts `first mult^n` steps and goes from `peak decay^n` to `end`.
///
/// `end + (peak decay^n - end) f((t - start_n) / length_n)`, with a cosine for `f` unless another
/// [`Curve`] is chosen. With a limit it holds `end` after so many cycles, otherwise it restarts
/// for ever.
///
/// ```
/// use regimen_schedules::{Schedule, WarmRestarts};
///
/// let rate = WarmRestarts::new(1.0, 10)?.with_growth(2.0)?.with_decay(0.5)?;
/// assert_eq!([rate.at(0), rate.at(10), rate.at(20), rate.at(30)], [1.0, 0.5, 0.25, 0.25]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[doc(alias("SGDR", "CosineAnnealingWarmRestarts", "CosineDecayRestarts"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct WarmRestarts {
    peak: f64,
    #[serde(default)]
    end: f64,
    first: usize,
    #[serde(default = "one")]
    mult: f64,
    #[serde(default = "one")]
    decay: f64,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    curve: Curve,
    #[serde(default = "one")]
    k_decay: f64,
    #[serde(skip)]
    growth: Growth,
}
checked_serde!(WarmRestarts, HardRestarts);

/// What follows from `mult` and `first`, known once they are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Growth {
    /// `(mult - 1) / first`.
    rate: f64,
    /// `1 / ln(mult)`.
    per_unit: f64,
    /// `2^60 / log2(mult)`, a little less.
    per_bit: u64,
}

impl Growth {
    fn new(mult: f64, first: usize) -> Self {
        let per_bit = (1_u64 << 60) as f64 / mult.log2();
        Self {
            rate: (mult - 1.0) / first as f64,
            per_unit: mult.ln().recip(),
            // So much less that rounding cannot raise a place to the next whole number.
            per_bit: (per_bit * (1.0 - 1e-9)) as u64,
        }
    }

    /// `ln(grown) / ln(mult)` for a number from 1 and a growth from [`COARSE`], rounded down or one less than that.
    ///
    /// The bits of a number are its logarithm to the base 2, with 52 places, too low by up to 0.0861: between two
    /// powers of two they follow a straight line.
    #[inline]
    fn coarse_place(&self, grown: f64) -> usize {
        let bits = grown.to_bits() - 1_f64.to_bits();
        ((u128::from(bits) * u128::from(self.per_bit)) >> (52 + 60)) as usize
    }
}

/// Above `2^0.0861`: an error of so much in a logarithm is less than a cycle.
const COARSE: f64 = 1.0625;

impl WarmRestarts {
    /// Equal cycles of `first` steps, 1 or more, from `peak`, 0 or more, to 0.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, first: usize) -> Result<Self> {
        let (end, limit, curve) = (0.0, None, Curve::Cosine);
        let (mult, decay, k_decay) = (1.0, 1.0, 1.0);
        Self {
            peak,
            end,
            first,
            mult,
            decay,
            limit,
            curve,
            k_decay,
            growth: Growth::default(),
        }
        .checked()
    }

    /// Every cycle ends at `end` instead of 0.
    ///
    /// # Errors
    /// If `end` is not finite or negative.
    pub fn with_end(self, end: f64) -> Result<Self> {
        Self { end, ..self }.checked()
    }

    /// Each cycle is `mult` times as long as the one before, 1 to 1e9.
    ///
    /// # Errors
    /// If `mult` is out of its range.
    pub fn with_growth(self, mult: f64) -> Result<Self> {
        Self { mult, ..self }.checked()
    }

    /// Each cycle's peak is `decay` times the one before, above 0 and up to 1.
    ///
    /// # Errors
    /// If `decay` is out of its range.
    pub fn with_decay(self, decay: f64) -> Result<Self> {
        Self { decay, ..self }.checked()
    }

    /// Holds the end after so many cycles.
    #[must_use]
    pub fn with_limit(self, cycles: usize) -> Self {
        Self {
            limit: Some(cycles),
            ..self
        }
    }

    /// Another descent within each cycle.
    ///
    /// # Errors
    /// If the curve's own parameters are out of range.
    pub fn with_curve(self, curve: Curve) -> Result<Self> {
        Self { curve, ..self }.checked()
    }

    /// Raises the progress within a cycle to a power, above 0.
    ///
    /// # Errors
    /// If `k` is out of its range.
    pub fn with_k_decay(self, k: f64) -> Result<Self> {
        Self { k_decay: k, ..self }.checked()
    }

    /// The cycle that a step is in.
    #[inline(always)]
    fn cycle(&self, step: usize) -> Cycle {
        let first = self.first as f64;
        let (number, [slope, start, length]) = if self.mult == 1.0 {
            let n = step / self.first;
            (n, [1.0, (n * self.first) as f64, first])
        } else if self.mult == 2.0 {
            // 2^n is the largest power of two in 1 + t / first.
            let n = (step / self.first).saturating_add(1).ilog2();
            let length = first * (1_u64 << n) as f64;
            (n as usize, [1.0, length - first, length])
        } else {
            let more = self.mult - 1.0;
            let (n, scale) = self.grown(step as f64, more, first);
            (
                n as usize,
                [more, first * (scale - 1.0), more * first * scale],
            )
        };
        let ended = self.limit.is_some_and(|limit| number >= limit);
        let peak = if ended {
            self.end
        } else {
            self.peak * whole_power(self.decay, number)
        };
        Cycle {
            slope,
            start,
            length,
            peak,
        }
    }

    /// The cycle whose scale `mult^n` is the largest below `1 + t (mult - 1) / first`: its number and
    /// its scale.
    fn grown(&self, t: f64, more: f64, first: f64) -> (i32, f64) {
        let starts = |scale: f64| t * more >= first * (scale - 1.0);
        // All steps of a cycle have the same power, whichever way they came to its number.
        let cycle = |n: i32| (n, self.mult.powi(n));
        let grown = 1.0 + t * self.growth.rate;
        if self.mult >= COARSE {
            let found = cycle(self.growth.coarse_place(grown) as i32);
            let (n, scale) = found;
            return if starts(scale * self.mult) {
                cycle(n + 1)
            } else {
                found
            };
        }
        // A growth that rounds to none has cycles beyond count: the last that counts never ends.
        let place = (grown.ln() * self.growth.per_unit).min(1e9);
        let n = place as i32;
        let found = cycle(n);
        // The logarithm may be off by one at a boundary.
        let within = place - f64::from(n);
        if within < NEAR && !starts(found.1) {
            return cycle(n - 1);
        }
        if within > 1.0 - NEAR && starts(found.1 * self.mult) {
            return cycle(n + 1);
        }
        found
    }
}

/// How close to a restart, in cycles, a logarithm is not trusted.
const NEAR: f64 = 1e-6;

/// From here on rounding may be more than a step, so that each step looks for its own cycle.
const COUNTED: usize = 1 << 49;

/// A stretch between two restarts.
#[derive(Clone, Copy)]
struct Cycle {
    /// Steps times this are the unit of `start` and `length`: a division saved.
    slope: f64,
    start: f64,
    length: f64,
    /// The value at its start; the end after the last cycle.
    peak: f64,
}

impl Cycle {
    #[inline]
    fn progress(&self, step: usize) -> f64 {
        let progress = (step as f64 * self.slope - self.start) / self.length;
        progress.clamp(0.0, 1.0)
    }
}

impl Checked for WarmRestarts {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_count("first", self.first)?;
        check_not_negative("peak", self.peak)?;
        check_not_negative("end", self.end)?;
        check(
            "mult",
            self.mult,
            (1.0..=1e9).contains(&self.mult),
            "1 to 1e9",
        )?;
        let decay = self.decay;
        check(
            "decay",
            decay,
            decay > 0.0 && decay <= 1.0,
            "above 0, up to 1",
        )?;
        check_positive("k_decay", self.k_decay)?;
        self.curve.check()
    }

    fn checked(self) -> Result<Self> {
        self.check()?;
        let growth = if self.mult == 1.0 {
            Growth::default()
        } else {
            Growth::new(self.mult, self.first)
        };
        Ok(Self { growth, ..self })
    }
}

impl Schedule for WarmRestarts {
    fn at(&self, step: usize) -> f64 {
        let cycle = self.cycle(step);
        let progress = power(cycle.progress(step), self.k_decay);
        self.curve.between(cycle.peak, self.end, progress)
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        let (mut step, mut rest) = (from, values);
        while !rest.is_empty() {
            let cycle = self.cycle(step);
            // Its end may fall within rounding of a step: up to one step before, the cycle is sure.
            let sure = (cycle.start + cycle.length) / cycle.slope - 1.0 - step as f64;
            let known = if step < COUNTED { sure } else { 1.0 };
            let count = (known.max(1.0) as usize).min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            let peak = cycle.peak;
            let (k, progress) = (self.k_decay, move |at| {
                cycle.progress(step.saturating_add(at))
            });
            if k == 1.0 {
                self.curve.fill(peak, self.end, progress, now);
            } else {
                self.curve
                    .fill(peak, self.end, |at| power(progress(at), k), now);
            }
            (step, rest) = (step.saturating_add(count), later);
        }
    }
}

/// A run of `steps` cut into equal cosine cycles, each from `peak` to 0; then 0.
///
/// A cycle need not be a whole number of steps: step `t` is at the fraction
/// `(t cycles mod steps) / steps` of its cycle, in whole numbers.
#[doc(alias = "get_cosine_with_hard_restarts_schedule_with_warmup")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct HardRestarts {
    peak: f64,
    cycles: usize,
    steps: usize,
}

impl HardRestarts {
    /// `cycles`, 1 or more, from `peak`, 0 or more, over `steps`, 1 or more.
    ///
    /// # Errors
    /// If a parameter is out of its range, or `cycles` times `steps` overflows.
    pub fn new(peak: f64, cycles: usize, steps: usize) -> Result<Self> {
        Self {
            peak,
            cycles,
            steps,
        }
        .checked()
    }
}

impl Checked for HardRestarts {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check_not_negative("peak", self.peak)?;
        let fits = self.cycles > 0 && self.cycles.checked_mul(self.steps).is_some();
        check(
            "cycles",
            self.cycles as f64,
            fits,
            "1 or more, within a machine word times `steps`",
        )
    }
}

impl Schedule for HardRestarts {
    fn at(&self, step: usize) -> f64 {
        if step >= self.steps {
            return 0.0;
        }
        let within = (step * self.cycles % self.steps) as f64 / self.steps as f64;
        Curve::Cosine.between(self.peak, 0.0, within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_place_is_right_or_one_too_low() {
        let growths = [COARSE, 1.063, 1.1, 2_f64.sqrt(), 1.5, 2.5, 4.0, 1e3, 1e9];
        for mult in growths {
            let growth = Growth::new(mult, 1);
            let last = (usize::MAX as f64 * mult).log2() / mult.log2();
            for n in 0..last as i32 {
                let scale = mult.powi(n);
                let lows = (0..200).map(|part| scale * mult.powf(f64::from(part) / 200.0));
                let ends = [scale, scale.next_up(), (scale * mult).next_down()];
                for grown in lows.chain(ends).filter(|grown| *grown >= 1.0) {
                    let place = growth.coarse_place(grown);
                    let exact = grown.ln() / mult.ln();
                    assert!(place as f64 <= exact * (1.0 + 1e-12), "{mult} {grown}");
                    assert!(place as f64 > exact - 2.0, "{mult} {grown}");
                    // One more than the place must not lie behind.
                    assert!(mult.powi(place as i32 + 2) > grown, "{mult} {grown}");
                }
            }
        }
    }
}
