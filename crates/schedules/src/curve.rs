//! # Curve, Rise
//!
//! The shapes of a descent and of a warm-up, over a progress from 0 to 1.
//!
//! Source: the union of the decay functions of timm, transformers, optax and torch.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check, check_finite, check_positive};
use crate::maths::{half_cosine, lerp, power};

/// How a value goes from one level to another.
///
/// All but [`Geometric`](Self::Geometric) are a factor from 1 to 0, `f(p)`, and give
/// `to + (from - to) f(p)`; that of [`Waves`](Self::Waves) may end elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Curve {
    /// 1 until the end: the value falls at once.
    Held,
    /// `1 - p`.
    Linear,
    /// `(1 + cos(pi p)) / 2`.
    #[default]
    Cosine,
    /// `(1 + cos(2 pi cycles p)) / 2`: half a cycle is a cosine, more come up again.
    Waves {
        /// Cycles on the way, above 0.
        cycles: f64,
    },
    /// `1 - sqrt(p)`.
    OneMinusSqrt,
    /// `(1 - p)^power`.
    Polynomial {
        /// Exponent, above 0.
        power: f64,
    },
    /// `1 - p^power`.
    Power {
        /// Exponent, above 0.
        power: f64,
    },
    /// `(ratio^p - ratio) / (1 - ratio)`: exponential, made to end at 0.
    Exponential {
        /// The level of the plain exponential at its end, above 0 and below 1.
        ratio: f64,
    },
    /// `1 - h(p) / h(1)` with `h(p) = 1 / sqrt(1 + alpha p) - 1`.
    InverseSqrt {
        /// Steepness, above 0; 10 in the infinite schedule.
        alpha: f64,
    },
    /// `(1 - tanh(from (1 - p) + to p)) / 2`: near 1 at its start and near 0 at its end.
    Tanh {
        /// Argument at the start.
        from: f64,
        /// Argument at the end, above `from`.
        to: f64,
    },
    /// `from (to / from)^p`, which needs levels of one sign; a linear descent where one is 0.
    Geometric,
}
checked_serde!(Curve, Rise);

impl Checked for Curve {
    type Error = Error;

    fn check(&self) -> Result<()> {
        match *self {
            Self::Held | Self::Linear | Self::Cosine | Self::OneMinusSqrt | Self::Geometric => {
                Ok(())
            }
            Self::Polynomial { power } | Self::Power { power } => check_positive("power", power),
            Self::Exponential { ratio } => check(
                "ratio",
                ratio,
                ratio > 0.0 && ratio < 1.0,
                "between 0 and 1",
            ),
            Self::InverseSqrt { alpha } => check_positive("alpha", alpha),
            Self::Waves { cycles } => check_positive("cycles", cycles),
            Self::Tanh { from, to } => {
                check_finite("from", from)?;
                check("to", to, to > from, "above `from`")
            }
        }
    }
}

impl Curve {
    /// `(1 - p)^3`, of gradual pruning.
    pub const CUBIC: Self = Self::Polynomial { power: 3.0 };

    /// The value at a progress in `0..=1` on the way between two levels.
    #[must_use]
    #[inline]
    pub fn between(&self, from: f64, to: f64, progress: f64) -> f64 {
        let factor = match self {
            // The usual one first.
            Self::Cosine => half_cosine(progress),
            Self::Geometric if from > 0.0 && to > 0.0 || from < 0.0 && to < 0.0 => {
                return geometric(from, to, progress);
            }
            _ => self.factor(progress),
        };
        lerp(to, from, factor)
    }

    /// [`between`](Self::between) at the progress of each place.
    pub(crate) fn fill(
        &self,
        from: f64,
        to: f64,
        progress: impl Fn(usize) -> f64,
        values: &mut [f64],
    ) {
        // The usual curves as constants, so that their loops have no branches.
        match self {
            Self::Cosine => set(values, |at| Self::Cosine.between(from, to, progress(at))),
            Self::Linear => set(values, |at| Self::Linear.between(from, to, progress(at))),
            _ => set(values, |at| self.between(from, to, progress(at))),
        }
    }

    #[inline]
    fn factor(&self, p: f64) -> f64 {
        match *self {
            Self::Held => f64::from(p < 1.0),
            Self::Linear | Self::Geometric => 1.0 - p,
            Self::Cosine => half_cosine(p),
            Self::Waves { cycles } => {
                // Up and down again within one cycle, from 0 to 2.
                let within = 2.0 * (cycles * p).fract();
                half_cosine(within.min(2.0 - within))
            }
            Self::OneMinusSqrt => 1.0 - p.sqrt(),
            Self::Polynomial { power: exponent } => power(1.0 - p, exponent),
            Self::Power { power: exponent } => 1.0 - power(p, exponent),
            Self::Exponential { ratio } => (ratio.powf(p) - ratio) / (1.0 - ratio),
            Self::InverseSqrt { alpha } => {
                let h = |x: f64| (1.0 + alpha * x).sqrt().recip() - 1.0;
                // A curve too flat to be told from a line.
                if h(1.0) == 0.0 {
                    1.0 - p
                } else {
                    1.0 - h(p) / h(1.0)
                }
            }
            // (1 - tanh(x)) / 2
            Self::Tanh { from, to } => 1.0 / (1.0 + (2.0 * (from * (1.0 - p) + to * p)).exp()),
        }
    }
}

/// `from (to / from)^progress` for levels of one sign.
fn geometric(from: f64, to: f64, progress: f64) -> f64 {
    let ratio = to / from;
    if ratio.is_finite() && ratio > 0.0 {
        return from * ratio.powf(progress);
    }
    let log = lerp(from.abs().ln(), to.abs().ln(), progress);
    log.exp().min(f64::MAX).copysign(from)
}

fn set(values: &mut [f64], value: impl Fn(usize) -> f64) {
    for (place, to) in values.iter_mut().enumerate() {
        *to = value(place);
    }
}

/// How a warm-up goes from its start to its peak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Rise {
    /// `p`.
    #[default]
    Linear,
    /// `(1 - cos(pi p)) / 2`.
    Cosine,
    /// `1 - sqrt(1 - p)`.
    OneMinusSqrt,
}

impl Checked for Rise {
    type Error = Error;

    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl Rise {
    /// The value at a progress in `0..=1` on the way between two levels.
    #[must_use]
    #[inline]
    pub fn between(&self, from: f64, to: f64, progress: f64) -> f64 {
        let factor = match self {
            Self::Linear => progress,
            Self::Cosine => 1.0 - half_cosine(progress),
            Self::OneMinusSqrt => 1.0 - (1.0 - progress).sqrt(),
        };
        lerp(from, to, factor)
    }
}
