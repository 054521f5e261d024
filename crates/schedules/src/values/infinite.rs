//! # Infinite
//!
//! A schedule without a horizon: warm up, cool down to a plateau, stay, and anneal a branch
//! whenever a finished model is needed.
//!
//! Source: "Beyond Cosine Decay", arXiv 2503.02844; Ibrahim et al., arXiv 2403.08763, section on
//! infinite schedules.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::error::{Error, Result, check, check_not_negative, check_steps};
use crate::schedule::Schedule;

/// Warm-up, cool-down and a constant phase that never ends; [`anneal`](Self::anneal) gives the
/// branch that does.
///
/// With the phases' lengths `W` and `C`: `peak t / W` up to step `W`; then from `peak` to
/// `constant` along a [`Curve`] over `C` steps; then `constant`. A branch at step `K` is the same
/// up to `K`, then goes to its end over its own steps, `constant (end / constant)^p` by default,
/// and stays there.
///
/// Train on one stage after another on the trunk. Save at a plateau step, anneal a copy for use,
/// and go on from the plateau for the next stage, not from the annealed copy: with Burn, load the
/// trunk's records into a run of the branch.
///
/// ```
/// use regimen_schedules::{Infinite, Schedule};
///
/// let trunk = Infinite::new(3e-4, 1.65e-4, 10, 600)?;
/// let branch = trunk.anneal(850, 150, 3e-5)?;
/// assert_eq!((trunk.at(10), trunk.at(610), trunk.at(9000)), (3e-4, 1.65e-4, 1.65e-4));
/// assert_eq!((branch.at(850), branch.at(1000)), (1.65e-4, 3e-5));
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Infinite {
    peak: f64,
    constant: f64,
    warmup: usize,
    cooldown: usize,
    #[serde(default)]
    curve: Curve,
    #[serde(default)]
    anneal: Option<Anneal>,
}
checked_serde!(Infinite);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Anneal {
    from: usize,
    steps: usize,
    end: f64,
    curve: Curve,
}

impl Infinite {
    /// The trunk: to `peak` over `warmup` steps, to `constant` over `cooldown` more along a cosine.
    /// Both are lengths, and 0 skips the phase.
    ///
    /// # Errors
    /// If a rate is not finite or negative.
    pub fn new(peak: f64, constant: f64, warmup: usize, cooldown: usize) -> Result<Self> {
        let (curve, anneal) = (Curve::Cosine, None);
        Self {
            peak,
            constant,
            warmup,
            cooldown,
            curve,
            anneal,
        }
        .checked()
    }

    /// Another curve of the cool-down: [`Curve::InverseSqrt`] with `alpha` 10 and
    /// [`Curve::Linear`] are the others in use.
    ///
    /// # Errors
    /// If the curve's own parameters are out of range.
    pub fn with_cooldown(self, curve: Curve) -> Result<Self> {
        Self { curve, ..self }.checked()
    }

    /// The first step of the constant phase.
    #[must_use]
    pub fn plateau(&self) -> usize {
        self.warmup.saturating_add(self.cooldown)
    }

    /// The branch that anneals from step `from`, on the plateau, to `end` over `steps`.
    ///
    /// # Errors
    /// If `from` lies before the plateau, `steps` is 0, or `end` or the plateau's rate is not
    /// above 0.
    pub fn anneal(self, from: usize, steps: usize, end: f64) -> Result<Self> {
        let anneal = Anneal {
            from,
            steps,
            end,
            curve: Curve::Geometric,
        };
        Self {
            anneal: Some(anneal),
            ..self
        }
        .checked()
    }

    /// Another curve of the branch's anneal; nothing on the trunk.
    ///
    /// # Errors
    /// If the curve's own parameters are out of range.
    pub fn with_anneal(mut self, curve: Curve) -> Result<Self> {
        if let Some(anneal) = &mut self.anneal {
            anneal.curve = curve;
        }
        self.checked()
    }
}

impl Checked for Infinite {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_not_negative("peak", self.peak)?;
        check_not_negative("constant", self.constant)?;
        self.curve.check()?;
        let Some(Anneal {
            from,
            steps,
            end,
            curve,
        }) = self.anneal
        else {
            return Ok(());
        };
        check_steps(steps)?;
        check(
            "from",
            from as f64,
            from >= self.plateau(),
            "a step of the constant phase",
        )?;
        let geometric = matches!(curve, Curve::Geometric);
        let least = "above 0 for a geometric anneal, 0 or more otherwise";
        check("end", end, end > 0.0 || !geometric && end == 0.0, least)?;
        check(
            "constant",
            self.constant,
            self.constant > 0.0 || !geometric,
            least,
        )?;
        curve.check()
    }
}

impl Schedule for Infinite {
    fn at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step as f64 / self.warmup as f64);
        }
        let past = step - self.warmup;
        if past < self.cooldown {
            let progress = past as f64 / self.cooldown as f64;
            return self.curve.between(self.peak, self.constant, progress);
        }
        match self.anneal {
            Some(anneal) if step >= anneal.from.saturating_add(anneal.steps) => anneal.end,
            Some(anneal) if step > anneal.from => {
                let progress = (step - anneal.from) as f64 / anneal.steps as f64;
                anneal.curve.between(self.constant, anneal.end, progress)
            }
            _ => self.constant,
        }
    }
}
