//! # Rewarmed
//!
//! Warm-up and cosine, again for each data set that arrives.
//!
//! Source: Ibrahim et al., "Simple and Scalable Strategies to Continually Pre-train Large Language
//! Models", arXiv 2403.08763.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::error::{Error, Result, check, check_not_negative, check_steps};
use crate::schedule::{Schedule, fill_counted};

/// The budget of one data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Stage {
    /// The rate that the stage warms up to, 0 or more: a lower one forgets less and adapts less.
    pub peak: f64,
    /// The stage's steps, 1 or more.
    pub steps: usize,
    /// The steps of its warm-up, fewer than `steps`; one hundredth of them is usual.
    pub warmup: usize,
}

/// Each stage goes `peak t / warmup` up, then along a cosine to the common `end`.
///
/// The cosine would reach `end` at the step `steps`, which is the next stage's step 0: there the rate is
/// 0 with a warm-up, and the peak without one. After all stages, `end` holds.
///
/// ```
/// use regimen_schedules::{Rewarmed, Schedule, Stage};
///
/// let stage = Stage { peak: 3e-4, steps: 1000, warmup: 10 };
/// let rate = Rewarmed::new(3e-5, vec![stage, stage])?;
/// assert_eq!((rate.at(10), rate.at(1010), rate.at(2000)), (3e-4, 3e-4, 3e-5));
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Rewarmed {
    end: f64,
    stages: Vec<Stage>,
}
checked_serde!(Rewarmed, Stage);

impl Rewarmed {
    /// One stage or more, all of which end at `end`, 0 or more.
    ///
    /// # Errors
    /// If there is no stage, or a parameter is out of its range.
    pub fn new(end: f64, stages: Vec<Stage>) -> Result<Self> {
        Self { end, stages }.checked()
    }
}

impl Checked for Rewarmed {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_not_negative("end", self.end)?;
        let count = self.stages.len();
        check("stages", count as f64, count > 0, "one stage or more")?;
        self.stages.iter().try_for_each(Stage::check)
    }
}

impl Checked for Stage {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        check_not_negative("peak", self.peak)?;
        let fewer = self.warmup < self.steps;
        check("warmup", self.warmup as f64, fewer, "fewer than `steps`")
    }
}

impl Rewarmed {
    /// The value at a step of a stage.
    fn within(&self, stage: &Stage, step: usize) -> f64 {
        match step.checked_sub(stage.warmup) {
            None => stage.peak * (step as f64 / stage.warmup as f64),
            Some(past) => {
                let progress = past as f64 / (stage.steps - stage.warmup) as f64;
                Curve::Cosine.between(stage.peak, self.end, progress)
            }
        }
    }
}

impl Schedule for Rewarmed {
    fn at(&self, mut step: usize) -> f64 {
        for stage in &self.stages {
            if step < stage.steps {
                return self.within(stage, step);
            }
            step -= stage.steps;
        }
        self.end
    }

    /// One way through the stages, however many there are.
    fn fill(&self, from: usize, values: &mut [f64]) {
        let fill = |values: &mut [f64]| {
            let (mut step, mut rest) = (from, values);
            for stage in &self.stages {
                let Some(left) = stage.steps.checked_sub(step).filter(|left| *left > 0) else {
                    step -= stage.steps;
                    continue;
                };
                let (now, later) = rest.split_at_mut(left.min(rest.len()));
                for (offset, value) in now.iter_mut().enumerate() {
                    *value = self.within(stage, step + offset);
                }
                (step, rest) = (0, later);
            }
            rest.fill(self.end);
        };
        fill_counted(from, values, || self.at(usize::MAX), fill);
    }
}
