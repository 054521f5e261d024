//! # Combined, Swa, Noisy
//!
//! Schedules multiplied, added, averaged, drawn to a final rate, or shaken.
//!
//! Source: torch's `ChainedScheduler` and `SWALR` (Izmailov et al. 2018, arXiv 1803.05407); Burn's
//! composed scheduler; timm's learning-rate noise.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::catalogue::Curve;
use crate::checked::{Checked, checked_serde_of_parts, mapped};
use crate::error::{Result, check, check_not_negative, check_positive, check_steps};
use crate::schedule::Schedule;

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

/// Several schedules at once: their product, sum or average.
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
checked_serde_of_parts!(Combined);

impl<S: Schedule> Combined<S> {
    /// One part or more.
    ///
    /// # Errors
    /// If there is no part.
    pub fn new(parts: Vec<S>, by: Reduction) -> Result<Self> {
        let new = Self { parts, by };
        new.checked()
    }
}

impl<S> Checked for Combined<S> {
    fn check(&self) -> Result<()> {
        let count = self.parts.len();
        check("parts", count as f64, count > 0, "one or more")
    }
}

impl<S: Schedule> Schedule for Combined<S> {
    fn at(&self, step: usize) -> f64 {
        let values = self.parts.iter().map(|part| part.at(step));
        match self.by {
            Reduction::Product => values.product(),
            Reduction::Sum => values.sum(),
            Reduction::Average => values.sum::<f64>() / self.parts.len() as f64,
        }
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
checked_serde_of_parts!(Swa);

impl<S: Schedule> Swa<S> {
    /// From step `start` to `rate`, 0 or more, along a cosine over `steps`, 1 or more.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(inner: S, start: usize, rate: f64, steps: usize) -> Result<Self> {
        let curve = Curve::Cosine;
        let new = Self {
            inner,
            start,
            rate,
            steps,
            curve,
        };
        new.checked()
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
}

/// How a relative disturbance is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// Normal with a standard deviation, given that its size is below the limit.
    Normal {
        /// Standard deviation, above 0.
        std: f64,
    },
    /// Uniform up to the limit.
    Uniform,
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
checked_serde_of_parts!(Noisy);

impl<S: Schedule> Noisy<S> {
    /// Normal noise of standard deviation 1, smaller than 0.67, from step 0 on.
    #[must_use]
    pub fn new(inner: S, seed: u64) -> Self {
        let (from, to, limit) = (0, None, 0.67);
        let noise = Noise::Normal { std: 1.0 };
        Self {
            inner,
            from,
            to,
            limit,
            noise,
            seed,
        }
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

    /// The noise of a step. Neighbouring seeds give unrelated noise.
    fn draw(&self, step: usize) -> f64 {
        let seed = self.seed.wrapping_mul(ODD).wrapping_add(step as u64);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        match self.noise {
            Noise::Uniform => self.limit * random.random_range(-1.0..=1.0),
            Noise::Normal { std } => normal_below(&mut random, std, self.limit),
        }
    }
}

/// The golden ratio as a fraction of 2^64: multiples of it lie far apart.
const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

/// A normal number of a standard deviation, given that its size is below a limit.
///
/// By rejection from whichever is nearer: a uniform number within the limit, if the limit is at most two
/// deviations, or a normal one. At least six draws in ten are taken either way.
fn normal_below(random: &mut Xoshiro256PlusPlus, std: f64, limit: f64) -> f64 {
    if limit > 2.0 * std {
        loop {
            let noise = std * random.sample::<f64, _>(StandardNormal);
            if noise.abs() < limit {
                return noise;
            }
        }
    }
    loop {
        let noise = limit * (2.0 * random.random::<f64>() - 1.0);
        let (chance, half) = (random.random::<f64>(), 0.5 * (noise / std).powi(2));
        // exp(-half) is above 1 - half: mostly the exponential need not be known.
        if chance < 1.0 - half || chance < (-half).exp() {
            return noise;
        }
    }
}

impl<S> Checked for Noisy<S> {
    fn check(&self) -> Result<()> {
        let limit = self.limit;
        check(
            "limit",
            limit,
            limit > 0.0 && limit <= 1.0,
            "above 0, up to 1",
        )?;
        match self.noise {
            Noise::Uniform => Ok(()),
            Noise::Normal { std } => check_positive("std", std),
        }
    }
}

impl<S: Schedule> Schedule for Noisy<S> {
    fn at(&self, step: usize) -> f64 {
        let value = self.inner.at(step);
        if self.applies(step) {
            value + value * self.draw(step)
        } else {
            value
        }
    }

    fn fill(&self, from: usize, values: &mut [f64]) {
        self.inner.fill(from, values);
        for (offset, value) in values.iter_mut().enumerate() {
            let step = from.saturating_add(offset);
            if self.applies(step) {
                *value += *value * self.draw(step);
            }
        }
    }
}
