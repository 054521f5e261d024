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
use crate::checked::mapped;
use crate::error::{Result, check, check_steps};
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
pub struct Combined<S> {
    parts: Vec<S>,
    by: Reduction,
}

mapped!(Combined [ parts; by ]);

impl<S: Schedule> Combined<S> {
    /// One part or more.
    ///
    /// # Errors
    /// If there is no part.
    pub fn new(parts: Vec<S>, by: Reduction) -> Result<Self> {
        let new = Self { parts, by };
        new.check()?;
        Ok(new)
    }

    pub(crate) fn check(&self) -> Result<()> {
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
pub struct Swa<S> {
    inner: S,
    start: usize,
    rate: f64,
    steps: usize,
    #[serde(default)]
    curve: Curve,
}

mapped!(Swa { inner; start, rate, steps, curve });

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
        new.check()?;
        Ok(new)
    }

    /// Another curve: [`Curve::Linear`] is the other in use.
    #[must_use]
    pub fn with_curve(self, curve: Curve) -> Self {
        Self { curve, ..self }
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check("rate", self.rate, self.rate >= 0.0, "0 or more")
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
    /// Normal with a standard deviation, drawn again until its size is below the limit.
    Normal {
        /// Standard deviation, above 0.
        std: f64,
    },
    /// Uniform up to the limit.
    Uniform,
}

/// Normal draws before a step goes without noise: at the widest allowed ratio of deviation and limit, one in
/// 10^13 runs out.
const DRAWS: usize = 40_000;

/// A schedule times `1 + noise` within a range of steps.
///
/// The noise of a step comes from the seed and the step alone: it does not depend on what was
/// asked before. Differs from timm in the generator, so the same seed gives other noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        new.check()?;
        Ok(new)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let limit = self.limit;
        check(
            "limit",
            limit,
            limit > 0.0 && limit <= 1.0,
            "above 0, up to 1",
        )?;
        match self.noise {
            Noise::Uniform => Ok(()),
            // A draw is accepted with a chance of at least about limit / std.
            Noise::Normal { std } => {
                let good = std > 0.0 && std <= 1e3 * limit;
                check("std", std, good, "above 0, up to a thousand times `limit`")
            }
        }
    }

    fn draw(&self, step: usize) -> f64 {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed.wrapping_add(step as u64));
        match self.noise {
            Noise::Uniform => self.limit * (2.0 * random.random::<f64>() - 1.0),
            Noise::Normal { std } => (0..DRAWS)
                .map(|_| std * random.sample::<f64, _>(StandardNormal))
                .find(|noise| noise.abs() < self.limit)
                .unwrap_or(0.0),
        }
    }
}

impl<S: Schedule> Schedule for Noisy<S> {
    fn at(&self, step: usize) -> f64 {
        let value = self.inner.at(step);
        if step < self.from || self.to.is_some_and(|to| step >= to) {
            return value;
        }
        value + value * self.draw(step)
    }
}
