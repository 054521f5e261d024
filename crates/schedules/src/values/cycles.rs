//! # OneCycle, Cyclic
//!
//! Rates that rise to a peak and fall: once, or for ever; and momenta that do the opposite.
//!
//! Source: Smith 2017, arXiv 1506.01186, and Smith and Topin 2018, arXiv 1708.07120, with the
//! steps of torch's `OneCycleLR` and `CyclicLR`.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::error::{
    Error, Result, check, check_count, check_not_negative, check_positive, check_steps,
    finite_result,
};
use crate::maths::whole_power;
use crate::schedule::Schedule;

/// One cycle: from `peak / 25` up to `peak`, then down to a ten-thousandth of the start.
///
/// With the rise's fraction `pct` of `T` steps the peak lies at step `pct T - 1` and the end at
/// `T - 1`, where the value stays. optax puts its peak at `pct T`: see
/// [`peers::optax`](crate::peers::optax).
///
/// ```
/// use regimen_schedules::{OneCycle, Schedule};
///
/// let rate = OneCycle::new(1.0, 100)?;
/// let near = |value: f64, expected: f64| (value - expected).abs() < 1e-12;
/// assert!(near(rate.at(0), 0.04) && near(rate.at(29), 1.0) && near(rate.at(99), 4e-6));
/// let momentum = rate.momentum(0.85, 0.95)?;
/// assert!(near(momentum.at(0), 0.95) && near(momentum.at(29), 0.85));
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[doc(alias("OneCycleLR", "super-convergence"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct OneCycle {
    first: f64,
    peak: f64,
    last: f64,
    steps: usize,
    #[serde(default = "rise")]
    rise: f64,
    #[serde(default)]
    three_phases: bool,
    #[serde(default)]
    curve: Curve,
}
checked_serde!(OneCycle, Cyclic, CyclicMode);

fn rise() -> f64 {
    0.3
}

impl OneCycle {
    /// A cosine up over three tenths of `steps`, 1 or more, and down over the rest.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(peak: f64, steps: usize) -> Result<Self> {
        check_not_negative("peak", peak)?;
        let (first, last) = (peak / 25.0, peak / 25.0 / 1e4);
        let (three_phases, curve) = (false, Curve::Cosine);
        Self {
            first,
            peak,
            last,
            steps,
            rise: rise(),
            three_phases,
            curve,
        }
        .checked()
    }

    /// Starts at `peak / div` and ends at `peak / (div final_div)`; both above 0.
    ///
    /// # Errors
    /// If a divisor is out of its range.
    pub fn with_divisors(self, div: f64, final_div: f64) -> Result<Self> {
        check_positive("div", div)?;
        check_positive("final_div", final_div)?;
        let first = finite_result("div", self.peak / div, div)?;
        Self {
            first,
            last: finite_result("final_div", first / final_div, final_div)?,
            ..self
        }
        .checked()
    }

    /// Rises over another fraction of the run, `0..=1`, or `0..=0.5` with three phases.
    ///
    /// # Errors
    /// If the fraction is out of its range.
    pub fn with_rise(self, rise: f64) -> Result<Self> {
        Self { rise, ..self }.checked()
    }

    /// Another curve for every phase.
    ///
    /// # Errors
    /// If the curve's own parameters are out of range.
    pub fn with_curve(self, curve: Curve) -> Result<Self> {
        Self { curve, ..self }.checked()
    }

    /// Falls as fast as it rises, back to the start, and goes down to the end from there.
    ///
    /// Both take `rise` of the run. torch takes a rise above a half too: its run is over before the rate is back at
    /// its start, and never comes near the end.
    ///
    /// # Errors
    /// If the rise is above 0.5.
    pub fn with_three_phases(self) -> Result<Self> {
        Self {
            three_phases: true,
            ..self
        }
        .checked()
    }

    /// The momentum that goes with the rate: `high` where it starts, `low` at its peak.
    ///
    /// # Errors
    /// If a value is not finite or negative.
    pub fn momentum(self, low: f64, high: f64) -> Result<Self> {
        check_not_negative("low", low)?;
        check_not_negative("high", high)?;
        Self {
            first: high,
            peak: low,
            last: high,
            ..self
        }
        .checked()
    }
}

impl Checked for OneCycle {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check_not_negative("first", self.first)?;
        check_not_negative("peak", self.peak)?;
        check_not_negative("last", self.last)?;
        check(
            "rise",
            self.rise,
            (0.0..=1.0).contains(&self.rise),
            "0 to 1",
        )?;
        check(
            "rise",
            self.rise,
            self.rise <= 0.5 || !self.three_phases,
            "0 to 0.5 with three phases",
        )?;
        self.curve.check()
    }
}

impl Schedule for OneCycle {
    fn at(&self, step: usize) -> f64 {
        let (t, last) = (step as f64, self.steps as f64 - 1.0);
        let peak = self.rise * self.steps as f64 - 1.0;
        let phase = |from: f64, to: f64, start: f64, end: f64| {
            let progress = if end > start {
                (t - start) / (end - start)
            } else {
                1.0
            };
            self.curve.between(from, to, progress.clamp(0.0, 1.0))
        };
        if t <= peak && peak > 0.0 {
            return phase(self.first, self.peak, 0.0, peak);
        }
        if !self.three_phases {
            return phase(self.peak, self.last, peak, last);
        }
        let back = 2.0 * peak;
        if t <= back {
            return phase(self.peak, self.first, peak, back);
        }
        phase(self.first, self.last, back, last)
    }
}

/// What happens to the height of the triangles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum CyclicMode {
    /// It stays.
    #[default]
    Triangular,
    /// It halves after each cycle.
    Triangular2,
    /// It shrinks by `gamma`, above 0 and up to 1, at each step.
    ExpRange {
        /// The factor of a step.
        gamma: f64,
    },
}

impl Checked for CyclicMode {
    type Error = Error;

    fn check(&self) -> Result<()> {
        match *self {
            Self::ExpRange { gamma } => check(
                "gamma",
                gamma,
                gamma > 0.0 && gamma <= 1.0,
                "above 0, up to 1",
            ),
            _ => Ok(()),
        }
    }
}

/// A triangle wave from `base` up to `max` in `up` steps and back in `down`, for ever.
///
/// Heights of a function of your own, torch's `scale_fn`: [`peers`](crate::peers) shows them.
#[doc(alias("CyclicLR", "CLR"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Cyclic {
    base: f64,
    max: f64,
    up: usize,
    down: usize,
    #[serde(default)]
    mode: CyclicMode,
}

impl Cyclic {
    /// Between `base` and `max`, finite and 0 or more; `up` and `down` are 1 step or more.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(base: f64, max: f64, up: usize, down: usize) -> Result<Self> {
        let mode = CyclicMode::Triangular;
        Self {
            base,
            max,
            up,
            down,
            mode,
        }
        .checked()
    }

    /// Triangles that shrink.
    ///
    /// # Errors
    /// If the mode's own parameter is out of range.
    pub fn with_mode(self, mode: CyclicMode) -> Result<Self> {
        Self { mode, ..self }.checked()
    }

    /// The momentum that goes with the rate: `high` where the rate is low.
    ///
    /// # Errors
    /// If a value is not finite or negative.
    pub fn momentum(self, low: f64, high: f64) -> Result<Self> {
        check_not_negative("low", low)?;
        check_not_negative("high", high)?;
        Self {
            base: high,
            max: low,
            ..self
        }
        .checked()
    }
}

impl Checked for Cyclic {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_not_negative("base", self.base)?;
        check_not_negative("max", self.max)?;
        check_count("up", self.up)?;
        let fits = self.down > 0 && self.up.checked_add(self.down).is_some();
        check(
            "down",
            self.down as f64,
            fits,
            "1 or more, within a machine word with `up`",
        )?;
        self.mode.check()
    }
}

impl Schedule for Cyclic {
    fn at(&self, step: usize) -> f64 {
        let length = self.up + self.down;
        let (cycle, within) = (step / length, step % length);
        let triangle = match within.checked_sub(self.up) {
            Some(past) => (self.down - past) as f64 / self.down as f64,
            None => within as f64 / self.up as f64,
        };
        let height = match self.mode {
            CyclicMode::Triangular => 1.0,
            CyclicMode::Triangular2 => whole_power(0.5, cycle),
            CyclicMode::ExpRange { gamma } => whole_power(gamma, step),
        };
        self.base + (self.max - self.base) * triangle * height
    }
}
