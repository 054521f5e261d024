//! # SftRecipe
//!
//! Batch size and learning rate of supervised fine-tuning: the two recipes that are compared as LAB and TULU.
//!
//! Source: Pareja et al., "Unveiling the Secret Recipe: A Guide For Supervised Fine-Tuning Small LLMs" (arXiv 2412.13337), after LAB
//! (arXiv 2403.01081) and Tülu 2 (arXiv 2311.10702).

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::transformers::{constant_with_warmup, linear_with_warmup};
use crate::compose::AnySchedule;
use crate::error::{Error, Result, check, check_count, check_not_negative};

/// Samples of an update, and the learning rate over the updates of a run.
///
/// | parameter | [`lab`](Self::lab) | [`tulu`](Self::tulu) | unit | range |
/// |---|---|---|---|---|
/// | `batch_size` | 3840 | 128 | samples an update | from 1 |
/// | `rate` | 2e-5 | 2e-5 | | from 0 |
/// | `warmup` | 0 | 0.03 | share of the updates | 0 to below 1 |
/// | `decay` | no | to 0 | | |
///
/// The batch size is the effective one: micro-batch times accumulation times devices, and the gradient a mean over all its samples.
/// The paper finds the first recipe the better one for models of 3 to 7 billion parameters, 2e-5 the best or an equal rate at
/// every batch size of a Granite model (so a larger batch gets no higher rate), and 1e-6 for a Mistral model: begin at 2e-5, and
/// step down or up for as long as it helps. It is a finding about fine-tuning, not about training from the start.
///
/// ```
/// use regimen_schedules::{Schedule, SftRecipe};
///
/// let (recipe, samples) = (SftRecipe::lab(), 1_000_000); // samples of all epochs
/// assert_eq!((recipe.batch_size, recipe.updates(samples)?), (3840, 261));
/// assert_eq!(recipe.schedule(samples)?.at(0), 2e-5);
///
/// let recipe = SftRecipe::tulu().with_rate(1e-6);
/// let rate = recipe.schedule(samples)?; // goes into an `LrSchedule`
/// assert_eq!((recipe.updates(samples)?, rate.at(0), rate.at(235), rate.at(7813)), (7813, 0.0, 1e-6, 0.0));
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[doc(alias(
    "LAB",
    "InstructLab",
    "TULU",
    "supervised fine-tuning",
    "instruction tuning"
))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct SftRecipe {
    /// Samples of one update.
    pub batch_size: usize,
    /// The rate, or its peak.
    pub rate: f64,
    /// The share of the updates over which the rate rises to its peak.
    #[serde(default)]
    pub warmup: f64,
    /// Whether the rate decays to 0 after the warm-up.
    #[serde(default)]
    pub decay: bool,
}
checked_serde!(SftRecipe);

impl SftRecipe {
    /// LAB: batches of 3840 samples and a constant rate, without a warm-up and without a horizon. The paper tries 7680 too.
    #[must_use]
    pub fn lab() -> Self {
        Self {
            batch_size: 3840,
            rate: 2e-5,
            warmup: 0.0,
            decay: false,
        }
    }

    /// TULU: batches of 128 samples; a warm-up over 3 % of the updates, then a linear decay to 0.
    #[must_use]
    pub fn tulu() -> Self {
        Self {
            batch_size: 128,
            rate: 2e-5,
            warmup: 0.03,
            decay: true,
        }
    }

    /// Another effective batch size.
    #[must_use]
    pub fn with_batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Another rate, or peak.
    #[must_use]
    pub fn with_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// A warm-up over another share of the updates.
    #[must_use]
    pub fn with_warmup(mut self, share: f64) -> Self {
        self.warmup = share;
        self
    }

    /// Whether the rate decays to 0.
    #[must_use]
    pub fn with_decay(mut self, decay: bool) -> Self {
        self.decay = decay;
        self
    }

    /// [`updates`] of the recipe's batch size.
    ///
    /// # Errors
    /// If there is no sample, or the batch is empty.
    pub fn updates(&self, samples: usize) -> Result<usize> {
        updates(samples, self.batch_size)
    }

    /// The rate of each update of a run over `samples`, those of all epochs together.
    ///
    /// `rate min(1, t / W)`, then with a decay `rate (T - t) / (T - W)`, where `W` is the share of the `T` updates, rounded up as
    /// in transformers, and less than `T`. With a warm-up the first update has the rate 0, as theirs.
    ///
    /// # Errors
    /// If there is no sample, or a field is out of its range.
    pub fn schedule(&self, samples: usize) -> Result<AnySchedule> {
        self.check()?;
        let updates = self.updates(samples)?;
        let warmup = (self.warmup * updates as f64).ceil() as usize;
        let warmup = warmup.min(updates - 1);
        if self.decay {
            linear_with_warmup(self.rate, warmup, updates)
        } else {
            constant_with_warmup(self.rate, warmup)
        }
    }
}

impl Checked for SftRecipe {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_count("batch_size", self.batch_size)?;
        check_not_negative("rate", self.rate)?;
        let warmup = self.warmup;
        check(
            "warmup",
            warmup,
            (0.0..1.0).contains(&warmup),
            "0 to below 1",
        )
    }
}

/// The updates that go over `samples` in batches of `batch_size`, the last of which may be smaller: `ceil(samples / batch_size)`.
///
/// The samples are those of all epochs together, if batches reach over their ends; else take the updates of one epoch as often as
/// there are epochs.
///
/// ```
/// use regimen_schedules::peers::recipes::updates;
///
/// let of = |batch_size| updates(1_000_000, batch_size);
/// assert_eq!((of(128)?, of(3840)?, of(7680)?), (7813, 261, 131));
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
///
/// # Errors
/// If there is no sample, or the batch is empty.
#[doc(alias("max_steps", "num_training_steps", "steps_per_epoch"))]
pub fn updates(samples: usize, batch_size: usize) -> Result<usize> {
    check_count("samples", samples)?;
    check_count("batch_size", batch_size)?;
    Ok(samples.div_ceil(batch_size))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::Schedule;

    #[test]
    fn updates_of_a_million_samples() {
        let found = [128, 3840, 7680].map(|size| updates(1_000_000, size).unwrap());
        assert_eq!(found, [7813, 261, 131]);
        assert_eq!(
            [updates(1, 5), updates(5, 5), updates(6, 5)],
            [Ok(1), Ok(1), Ok(2)]
        );
    }

    #[test]
    fn the_two_recipes() {
        let lab = SftRecipe::lab();
        let rate = lab.schedule(1_000_000).unwrap();
        assert_eq!((lab.batch_size, lab.updates(1_000_000)), (3840, Ok(261)));
        assert!((0..1000).all(|t| rate.at(t) == 2e-5));

        let tulu = SftRecipe::tulu();
        let rate = tulu.schedule(1_000_000).unwrap();
        let (warmup, steps) = (235, 7813); // 0.03 x 7813 = 234.39
        assert_eq!((tulu.batch_size, tulu.updates(1_000_000)), (128, Ok(steps)));
        for t in 0..steps + 100 {
            let rise = t as f64 / warmup as f64;
            let fall = steps.saturating_sub(t) as f64 / (steps - warmup) as f64;
            let expected = 2e-5 * rise.min(1.0).min(fall);
            assert!((rate.at(t) - expected).abs() < 1e-18, "{t}");
        }
        // Between the two: the paper's question whether a warm-up helps a constant rate.
        let rate = tulu.with_decay(false).schedule(1_000_000).unwrap();
        let expected = [
            (0, 0.0),
            (47, 4e-6),
            (235, 2e-5),
            (7813, 2e-5),
            (100_000, 2e-5),
        ];
        for (t, value) in expected {
            assert!((rate.at(t) - value).abs() < 1e-18, "{t}");
        }
    }

    #[test]
    fn recipes_and_their_schedules_are_kept_in_files() {
        for recipe in [SftRecipe::lab(), SftRecipe::tulu().with_rate(1e-6)] {
            let file = serde_json::to_string(&recipe).unwrap();
            assert_eq!(serde_json::from_str::<SftRecipe>(&file).unwrap(), recipe);
            let rate = recipe.schedule(10_000).unwrap();
            let file = serde_json::to_string(&rate).unwrap();
            assert_eq!(serde_json::from_str::<AnySchedule>(&file).unwrap(), rate);
        }
        let wrong = r#"{ "batch_size": 0, "rate": 2e-5 }"#;
        assert!(serde_json::from_str::<SftRecipe>(wrong).is_err());
    }

    #[test]
    fn bad_parameters_are_named() {
        let message = |recipe: SftRecipe| recipe.schedule(1000).unwrap_err().to_string();
        let [lab, tulu] = [SftRecipe::lab(), SftRecipe::tulu()];
        assert_eq!(
            message(lab.with_batch_size(0)),
            "`batch_size` is 0: allowed is 1 or more"
        );
        for rate in [f64::NAN, f64::INFINITY, -1e-5] {
            assert!(message(lab.with_rate(rate)).starts_with("`rate` is "));
            assert!(message(tulu.with_rate(rate)).starts_with("`rate` is "));
        }
        for share in [f64::NAN, -0.1, 1.0] {
            let expected = format!("`warmup` is {share}: allowed is 0 to below 1");
            assert_eq!(message(tulu.with_warmup(share)), expected);
        }
        for recipe in [lab, tulu] {
            let none = recipe.schedule(0).unwrap_err().to_string();
            assert_eq!(none, "`samples` is 0: allowed is 1 or more");
        }
        assert!(updates(5, 0).is_err());
    }

    proptest! {
        /// Every sample is in one batch, and every run has a schedule that reaches its peak and 0 after the last update.
        #[test]
        fn runs_of_any_size(samples in 1_usize..1_000_000, size in 1_usize..10_000, share in 0.0_f64..1.0) {
            let recipe = SftRecipe::tulu().with_batch_size(size).with_warmup(share);
            let updates = recipe.updates(samples).unwrap();
            prop_assert!((updates - 1) * size < samples && samples <= updates * size);
            let rate = recipe.schedule(samples).unwrap();
            let warmup = ((share * updates as f64).ceil() as usize).min(updates - 1);
            prop_assert_eq!((rate.at(warmup), rate.at(updates)), (2e-5, 0.0));
            prop_assert!(rate.at(updates - 1) > 0.0);
        }
    }
}
