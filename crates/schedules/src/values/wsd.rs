//! # Wsd
//!
//! Warm-up, a stable phase, and a decay that may come late: the phases of one long run.
//!
//! Source: MiniCPM, arXiv 2404.06395; 1-sqrt decay after Hägele et al., arXiv 2405.18392; stable
//! phases as in timm, warm-up shapes as in transformers.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::curve::{Curve, Rise};
use crate::error::{Error, Result, check_not_negative, check_positive};
use crate::schedule::Schedule;

/// What the stable phase does, from the end of the warm-up and on through the decay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Stable {
    /// It holds the peak.
    #[default]
    Constant,
    /// `peak (1 + t / timescale)^-power`: with the power 0.5 and the warm-up's length as time
    /// scale, the inverse square root of the step.
    Power {
        /// Exponent, above 0.
        power: f64,
        /// Time scale in steps, above 0.
        timescale: f64,
    },
}
checked_serde!(Stable, Wsd);

impl Checked for Stable {
    type Error = Error;

    fn check(&self) -> Result<()> {
        match *self {
            Self::Constant => Ok(()),
            Self::Power { power, timescale } => {
                check_positive("power", power)?;
                check_positive("timescale", timescale)
            }
        }
    }
}

impl Stable {
    /// `1 / sqrt(1 + t / timescale)`.
    #[must_use]
    pub fn inverse_sqrt(timescale: f64) -> Self {
        Self::Power {
            power: 0.5,
            timescale,
        }
    }

    fn at(self, step: usize) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Power {
                power: 0.5,
                timescale,
            } => (1.0 + step as f64 / timescale).sqrt().recip(),
            Self::Power { power, timescale } => (1.0 + step as f64 / timescale).powf(-power),
        }
    }
}

/// Warm-up, stable phase, decay.
///
/// `start + (peak - start) rise(t / warmup)`, then `s = max(peak stable(t - warmup), end)`, then
/// `end + (s - end) curve(p)` over the last phase, where the stable law goes on below the decay;
/// after it, `end`. A decay by a function of your own, timm's `decay_fn`: [`peers`](crate::peers) shows it.
///
/// | field | default |
/// |---|---|
/// | `end`, `start` | 0 |
/// | rise | [`Rise::Linear`] |
/// | stable | [`Stable::Constant`] |
/// | decay's curve | [`Curve::OneMinusSqrt`] |
///
/// ```
/// use regimen_schedules::{Schedule, Wsd};
///
/// let rate = Wsd::new(1.0, 10, 60, 30)?;
/// assert_eq!([rate.at(5), rate.at(10), rate.at(70), rate.at(100)], [0.5, 1.0, 1.0, 0.0]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[doc(alias("WSD", "trapezoidal", "get_wsd_schedule", "WSDLRScheduler"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Wsd {
    peak: f64,
    warmup: usize,
    stable: usize,
    decay: usize,
    #[serde(default)]
    start: f64,
    #[serde(default)]
    end: f64,
    #[serde(default)]
    rise: Rise,
    #[serde(default)]
    law: Stable,
    #[serde(default = "one_minus_sqrt")]
    curve: Curve,
}

fn one_minus_sqrt() -> Curve {
    Curve::OneMinusSqrt
}

impl Wsd {
    /// The lengths of the three phases; a length of 0 skips its phase.
    ///
    /// # Errors
    /// If `peak` is not finite or negative.
    pub fn new(peak: f64, warmup: usize, stable: usize, decay: usize) -> Result<Self> {
        let (start, end, curve) = (0.0, 0.0, Curve::OneMinusSqrt);
        let (rise, law) = (Rise::Linear, Stable::Constant);
        Self {
            peak,
            warmup,
            stable,
            decay,
            start,
            end,
            rise,
            law,
            curve,
        }
        .checked()
    }

    /// Starts the warm-up at `start`.
    ///
    /// # Errors
    /// If `start` is not finite or negative.
    pub fn with_start(self, start: f64) -> Result<Self> {
        Self { start, ..self }.checked()
    }

    /// Ends at `end` instead of 0.
    ///
    /// # Errors
    /// If `end` is not finite or negative.
    pub fn with_end(self, end: f64) -> Result<Self> {
        Self { end, ..self }.checked()
    }

    /// Another shape of the warm-up.
    #[must_use]
    pub fn with_rise(self, rise: Rise) -> Self {
        Self { rise, ..self }
    }

    /// Another law of the stable phase.
    ///
    /// # Errors
    /// If the law's own parameters are out of range.
    pub fn with_stable(self, law: Stable) -> Result<Self> {
        Self { law, ..self }.checked()
    }

    /// Another curve of the decay.
    ///
    /// # Errors
    /// If the curve's own parameters are out of range.
    pub fn with_curve(self, curve: Curve) -> Result<Self> {
        Self { curve, ..self }.checked()
    }
}

impl Checked for Wsd {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_not_negative("peak", self.peak)?;
        check_not_negative("start", self.start)?;
        check_not_negative("end", self.end)?;
        self.law.check()?;
        self.curve.check()
    }
}

impl Schedule for Wsd {
    fn at(&self, step: usize) -> f64 {
        let Some(after) = step.checked_sub(self.warmup) else {
            let progress = step as f64 / self.warmup as f64;
            return self.rise.between(self.start, self.peak, progress);
        };
        let level = (self.peak * self.law.at(after)).max(self.end);
        let Some(past) = after.checked_sub(self.stable) else {
            return level;
        };
        if past >= self.decay {
            return self.end;
        }
        self.curve
            .between(level, self.end, past as f64 / self.decay as f64)
    }
}
