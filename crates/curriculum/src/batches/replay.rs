//! # Replay
//!
//! A share of old data in every batch: how many of its samples, and how many that makes.
//!
//! Source: Ibrahim et al., "Simple and Scalable Strategies to Continually Pre-train Large Language
//! Models", arXiv 2403.08763, compute-equivalent replay.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check};

/// How many samples of each batch are drawn from old data, the rest from new.
///
/// The batch keeps its size, so old samples displace new ones and the cost stays the same. With the
/// fraction `r` and the batch size `B`, the first `n` batches hold `floor(n r B + 1/2)` old samples:
/// each batch has `r B` of them rounded down or up, in a fixed order that follows from the step
/// alone, so a resumed run goes on as the straight one. A fraction of 0.05 in batches of 64 is 3, 3,
/// 4, 3, 3, ... and never falls to 0.
///
/// It counts; [`ReplayMix`](crate::ReplayMix) is the order of examples and the loader that follow from it.
///
/// Numbers are exact up to 2^53 samples; beyond, the counts of single batches are rounded, and never above the batch.
///
/// The authors advise 0.05 after a weak shift of the data and 0.25 after a strong one.
///
/// ```
/// use regimen_curriculum::Replay;
///
/// let replay = Replay::new(0.05, 64)?;
/// let first: Vec<usize> = (0..5).map(|step| replay.old(step)).collect();
/// assert_eq!(first, [3, 3, 4, 3, 3]);
/// assert_eq!((replay.fresh(0), replay.old_in(1000), replay.fresh_in(1000)), (61, 3200, 60_800));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Replay {
    fraction: f64,
    batch: usize,
}
checked_serde!(Replay);

impl Replay {
    /// A fraction in `0..=1` of batches of 1 sample or more.
    ///
    /// # Errors
    /// If a parameter is out of its range.
    pub fn new(fraction: f64, batch: usize) -> Result<Self> {
        Self { fraction, batch }.checked()
    }

    /// The fraction of old samples.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.fraction
    }

    /// The samples of a batch.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The old samples of the batch of a step, counted from 0.
    #[must_use]
    pub fn old(&self, step: usize) -> usize {
        let old = self.old_in(step.saturating_add(1)) - self.old_in(step);
        // Beyond 2^53 samples, whole numbers are rounded.
        old.min(self.batch)
    }

    /// The new samples of the batch of a step.
    #[must_use]
    pub fn fresh(&self, step: usize) -> usize {
        self.batch.saturating_sub(self.old(step))
    }

    /// The old samples of the first `steps` batches.
    #[must_use]
    pub fn old_in(&self, steps: usize) -> usize {
        let each = self.fraction * self.batch as f64;
        (steps as f64).mul_add(each, 0.5) as usize
    }

    /// The new samples of the first `steps` batches.
    #[must_use]
    pub fn fresh_in(&self, steps: usize) -> usize {
        let all = steps.saturating_mul(self.batch);
        all.saturating_sub(self.old_in(steps))
    }
}

impl Checked for Replay {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let (fraction, batch) = (self.fraction, self.batch);
        check(
            "fraction",
            fraction,
            (0.0..=1.0).contains(&fraction),
            "0 to 1",
        )?;
        check("batch", batch as f64, batch > 0, "1 or more")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fraction_below_one_sample_is_not_lost() {
        let replay = Replay::new(0.005, 64).unwrap();
        let old: Vec<usize> = (0..10).map(|step| replay.old(step)).collect();
        assert_eq!(old, [0, 1, 0, 0, 1, 0, 0, 1, 0, 0]);
        assert_eq!(replay.old_in(3000), 960);
    }

    #[test]
    fn nothing_and_everything() {
        let (none, all) = (Replay::new(0.0, 7).unwrap(), Replay::new(1.0, 7).unwrap());
        for step in [0, 1, 99, 1_000_000] {
            assert_eq!((none.old(step), none.fresh(step)), (0, 7));
            assert_eq!((all.old(step), all.fresh(step)), (7, 0));
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        let message = |fraction, batch| Replay::new(fraction, batch).unwrap_err().to_string();
        assert!(message(1.5, 4).contains("`fraction` is 1.5"));
        assert!(message(f64::NAN, 4).contains("`fraction` is NaN"));
        assert!(message(0.5, 0).contains("`batch` is 0"));
        assert!(serde_json::from_str::<Replay>(r#"{ "fraction": -1.0, "batch": 4 }"#).is_err());
    }

    proptest! {
        #[test]
        fn the_budget_is_kept(
            fraction in 0.0_f64..=1.0, batch in 1_usize..600, steps in 0_usize..2_000, skipped in 0_usize..1_000_000,
        ) {
            let replay = Replay::new(fraction, batch).unwrap();
            let each = fraction * batch as f64;
            let window = skipped..skipped + steps;
            let old: usize = window.clone().map(|step| replay.old(step)).sum();
            prop_assert_eq!(old, replay.old_in(skipped + steps) - replay.old_in(skipped));
            prop_assert_eq!(replay.old_in(steps) + replay.fresh_in(steps), steps * batch);
            prop_assert!((replay.old_in(steps) as f64 - each * steps as f64).abs() <= 0.5 + 1e-6);
            for step in window {
                let old = replay.old(step);
                prop_assert_eq!(old + replay.fresh(step), batch);
                prop_assert!((old as f64 - each).abs() < 1.0 + 1e-6);
            }
        }
    }
}
