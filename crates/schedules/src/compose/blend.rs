//! # Combined, Swa, Noisy
//!
//! Schedules multiplied, added, averaged, drawn to a final rate, or shaken.
//!
//! Source: torch's `ChainedScheduler` and `SWALR` (Izmailov et al. 2018, arXiv 1803.05407); Burn's
//! composed scheduler; timm's learning-rate noise.

use std::convert::Infallible;

use rand::{RngExt, TryRng};
use rand_distr::StandardNormal;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::mapped::mapped;
use crate::curve::Curve;
use crate::error::{Error, Result, check, check_not_negative, check_positive, check_steps};
use crate::maths::bounded;
use crate::schedule::{Schedule, nested};

/// How values of several schedules become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their product.
    #[default]
    Product,
    /// Their sum.
    Sum,
    /// Their arithmetic mean.
    Average,
}

/// Several schedules at once: their product, sum or average, within the range of finite numbers.
///
/// torch's `ChainedScheduler` is the product of one rate and of factors.
#[doc(alias = "ChainedScheduler")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Combined", deny_unknown_fields)]
pub struct Combined<S> {
    parts: Vec<S>,
    by: Reduction,
}

mapped!(Combined [ parts; by ]);
checked_serde!(Combined<S>);

impl<S: Schedule> Combined<S> {
    /// One part or more.
    ///
    /// # Errors
    /// If there is no part, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(parts: Vec<S>, by: Reduction) -> Result<Self> {
        let new = Self { parts, by };
        nested(new.checked()?)
    }
}

impl<S> Checked for Combined<S> {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let count = self.parts.len();
        check("parts", count as f64, count > 0, "one or more")
    }
}

impl<S: Schedule> Schedule for Combined<S> {
    fn at(&self, step: usize) -> f64 {
        let values = || self.parts.iter().map(|part| part.at(step));
        let count = self.parts.len() as f64;
        let value = match self.by {
            Reduction::Product => values().product(),
            Reduction::Sum => values().sum(),
            Reduction::Average => values().sum::<f64>() / count,
        };
        if value.is_finite() {
            return value;
        }
        match self.by {
            Reduction::Product => values().fold(1.0, |product, value| bounded(product * value)),
            Reduction::Sum => values().fold(0.0, |sum, value| bounded(sum + value)),
            Reduction::Average => bounded(values().map(|value| value / count).sum()),
        }
    }

    fn depth(&self) -> usize {
        let parts = self.parts.iter().map(Schedule::depth);
        parts.max().unwrap_or(0).saturating_add(2)
    }
}

/// A schedule up to a step, then a blend from its value there to a constant rate: what stochastic
/// weight averaging trains at.
#[doc(alias = "SWALR")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Swa", deny_unknown_fields)]
pub struct Swa<S> {
    inner: S,
    start: usize,
    rate: f64,
    steps: usize,
    #[serde(default)]
    curve: Curve,
}

mapped!(Swa { inner; start, rate, steps, curve });
checked_serde!(Swa<S>);

impl<S: Schedule> Swa<S> {
    /// From step `start` to `rate`, 0 or more, along a cosine over `steps`, 1 or more.
    ///
    /// # Errors
    /// If a parameter is out of its range, or schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(inner: S, start: usize, rate: f64, steps: usize) -> Result<Self> {
        let curve = Curve::Cosine;
        let new = Self {
            inner,
            start,
            rate,
            steps,
            curve,
        };
        nested(new.checked()?)
    }

    /// Another curve: [`Curve::Linear`] is the other in use.
    ///
    /// # Errors
    /// If the curve's own parameters are out of range.
    pub fn with_curve(self, curve: Curve) -> Result<Self> {
        Self { curve, ..self }.checked()
    }
}

impl<S> Checked for Swa<S> {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check_not_negative("rate", self.rate)?;
        self.curve.check()
    }
}

impl<S: Schedule> Schedule for Swa<S> {
    fn at(&self, step: usize) -> f64 {
        let Some(past) = step.checked_sub(self.start) else {
            return self.inner.at(step);
        };
        if past >= self.steps {
            return self.rate;
        }
        let progress = past as f64 / self.steps as f64;
        self.curve
            .between(self.inner.at(self.start), self.rate, progress)
    }

    fn depth(&self) -> usize {
        self.inner.depth().saturating_add(1)
    }
}

/// How a relative disturbance is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Noise {
    /// Normal with a standard deviation, given that its size is below the limit.
    Normal {
        /// Standard deviation, above 0.
        std: f64,
    },
    /// Uniform up to the limit.
    Uniform,
}

checked_serde!(Noise);

impl Checked for Noise {
    type Error = Error;

    fn check(&self) -> Result<()> {
        match *self {
            Self::Uniform => Ok(()),
            Self::Normal { std } => check_positive("std", std),
        }
    }
}

/// A schedule times `1 + noise` within a range of steps.
///
/// The noise of a step comes from the seed and the step alone: it does not depend on what was
/// asked before. Differs from timm in the generator, so the same seed gives other noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Noisy", deny_unknown_fields)]
pub struct Noisy<S> {
    inner: S,
    from: usize,
    #[serde(default)]
    to: Option<usize>,
    limit: f64,
    noise: Noise,
    seed: u64,
}

mapped!(Noisy { inner; from, to, limit, noise, seed });
checked_serde!(Noisy<S>);

impl<S: Schedule> Noisy<S> {
    /// Normal noise of standard deviation 1, smaller than 0.67, from step 0 on.
    ///
    /// # Errors
    /// If schedules are nested deeper than [`MOST_LEVELS`](crate::MOST_LEVELS).
    pub fn new(inner: S, seed: u64) -> Result<Self> {
        let (from, to, limit) = (0, None, 0.67);
        let noise = Noise::Normal { std: 1.0 };
        nested(Self {
            inner,
            from,
            to,
            limit,
            noise,
            seed,
        })
    }

    /// Only from step `from` to below step `to`.
    #[must_use]
    pub fn with_range(self, from: usize, to: Option<usize>) -> Self {
        Self { from, to, ..self }
    }

    /// Another limit of the noise's size, above 0 and up to 1, and another way to draw it.
    ///
    /// # Errors
    /// If the limit or the standard deviation is out of range.
    pub fn with_noise(self, noise: Noise, limit: f64) -> Result<Self> {
        let new = Self {
            noise,
            limit,
            ..self
        };
        new.checked()
    }

    fn applies(&self, step: usize) -> bool {
        step >= self.from && self.to.is_none_or(|to| step < to)
    }

    /// The noise of a step; `seed` is the mixed one.
    fn noise(&self, seed: u64, step: usize) -> f64 {
        let bits = mixed(seed.wrapping_add(step as u64));
        match self.noise {
            Noise::Uniform => self.limit * signed(bits),
            Noise::Normal { std } if self.limit > 2.0 * std => long_normal(bits, std, self.limit),
            Noise::Normal { std } => short_normal(bits, std, self.limit),
        }
    }
}

/// Bits without a visible relation to their argument: the step of the generator SplitMix64
/// (Steele, Lea and Flood 2014). The generators of `rand` give the n-th number only after those before.
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

/// The upper half of some bits as a number in `-1..=1`.
fn signed(bits: u64) -> f64 {
    (bits >> 32) as f64 * (2.0 / f64::from(u32::MAX)) - 1.0
}

/// Draws of one number at most: more than chance ever takes.
const DRAWS: usize = 1000;

/// A normal number of a standard deviation, given that its size is below a limit of two deviations or more.
fn long_normal(bits: u64, std: f64, limit: f64) -> f64 {
    let mut random = Counter(bits);
    for _ in 0..DRAWS {
        let noise = std * random.sample::<f64, _>(StandardNormal);
        if noise.abs() < limit {
            return noise;
        }
    }
    0.0
}

/// The numbers that follow from some bits, as a generator.
struct Counter(u64);

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> std::result::Result<u32, Infallible> {
        self.try_next_u64().map(|bits| (bits >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> std::result::Result<u64, Infallible> {
        self.0 = mixed(self.0);
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> std::result::Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.try_next_u64()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A normal number of a standard deviation, given that its size is below a limit of at most two deviations:
/// uniform ones are drawn until one is taken, six in ten or more.
fn short_normal(mut bits: u64, std: f64, limit: f64) -> f64 {
    for _ in 0..DRAWS {
        let noise = limit * signed(bits);
        let chance = f64::from(bits as u32) / f64::from(u32::MAX);
        let half = 0.5 * (noise / std) * (noise / std);
        // exp(-half) is above 1 - half: mostly the exponential need not be known.
        if chance < 1.0 - half || chance < (-half).exp() {
            return noise;
        }
        bits = mixed(bits);
    }
    0.0
}

impl<S> Checked for Noisy<S> {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let limit = self.limit;
        check(
            "limit",
            limit,
            limit > 0.0 && limit <= 1.0,
            "above 0, up to 1",
        )?;
        self.noise.check()
    }
}

impl<S: Schedule> Schedule for Noisy<S> {
    fn at(&self, step: usize) -> f64 {
        let value = self.inner.at(step);
        if self.applies(step) {
            bounded(value + value * self.noise(mixed(self.seed), step))
        } else {
            value
        }
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        self.inner.fill(from, values);
        let seed = mixed(self.seed);
        let before = self.from.saturating_sub(from).min(values.len());
        let first = from.saturating_add(before);
        // Without an end there is noise at the last step that can be counted too.
        let count = self.to.map_or(usize::MAX, |to| to.saturating_sub(first));
        for (offset, value) in values[before..].iter_mut().take(count).enumerate() {
            let noise = self.noise(seed, first.saturating_add(offset));
            *value = bounded(*value + *value * noise);
        }
    }

    fn depth(&self) -> usize {
        self.inner.depth().saturating_add(1)
    }
}
