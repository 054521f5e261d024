//! # AdaptiveBatch
//!
//! A batch that grows when the noise of its gradient drowns the signal: norm, inner-product, orthogonality and
//! coordinate-wise tests.
//!
//! Source: Lau, Liu and Kolar, "AdAdaGrad: Adaptive Batch Size Schemes for Adaptive Gradient Methods", arXiv 2402.11215;
//! the tests after Byrd et al. 2012 and Bollapragada, Byrd and Nocedal, arXiv 1710.11258.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use super::accumulation::MicroBatches;
use super::batch_test::BatchTest;
use super::statistics::GradientStatistics;
use crate::error::{CurriculumError, Result, check, count, counted, same};

/// How a batch grows.
///
/// | field | default | range |
/// |---|---|---|
/// | `test` | required | constants above 0 |
/// | `initial` | required | the first batch, 2 or more (one example has no variance) unless it never grows |
/// | `largest` | required | the largest batch, `initial` or more; with `micro_batch`, `initial` rounded up or more |
/// | `test_interval` | 1 | steps from test to test, 1 or more |
/// | `micro_batch` | none | what a device holds at once, and the number of devices, 1 or more: sizes are rounded up to whole micro-batches on all devices, and down where that is more than `largest` |
///
/// ```
/// use regimen_curriculum::{AdaptiveBatchConfig, BatchTest, GradientStatistics};
///
/// let mut batch = AdaptiveBatchConfig::new(BatchTest::Norm { eta: 0.1 }, 4, 1000).init()?;
/// let statistics = GradientStatistics::of(&[[1.0, 0.0], [3.0, 2.0], [2.0, -1.0], [2.0, 3.0]])?;
/// assert!(batch.is_due());
/// assert_eq!(batch.step(4, Some(&statistics))?, 80);
/// assert_eq!((batch.steps(), batch.samples()), (1, 4));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct AdaptiveBatchConfig {
    /// The test.
    pub test: BatchTest,
    /// The first batch.
    pub initial: usize,
    /// The largest batch.
    pub largest: usize,
    /// Steps from test to test.
    pub test_interval: usize,
    /// The micro-batch of one device, and the devices.
    pub micro_batch: Option<(usize, usize)>,
}
checked_serde!(AdaptiveBatchConfig);

impl AdaptiveBatchConfig {
    /// A test at each step, without a limit on memory.
    #[must_use]
    pub fn new(test: BatchTest, initial: usize, largest: usize) -> Self {
        Self {
            test,
            initial,
            largest,
            test_interval: 1,
            micro_batch: None,
        }
    }

    /// A test every so many steps.
    #[must_use]
    pub fn with_test_interval(mut self, steps: usize) -> Self {
        self.test_interval = steps;
        self
    }

    /// Batches of more than `size` examples on each of `devices` are accumulated: see [`AdaptiveBatch::micro_batches`].
    #[must_use]
    pub fn with_micro_batch(mut self, size: usize, devices: usize) -> Self {
        self.micro_batch = Some((size, devices));
        self
    }

    /// The state at the start of a run.
    ///
    /// # Errors
    /// If a field is out of its range.
    pub fn init(&self) -> Result<AdaptiveBatch> {
        self.check()?;
        Ok(AdaptiveBatch {
            config: *self,
            batch_size: self.rounded_up(self.initial)?,
            steps: 0,
            samples: 0,
        })
    }

    /// In whole micro-batches, and at most the largest.
    fn rounded_up(&self, size: usize) -> Result<usize> {
        let cap = self.cap()?;
        if size >= cap {
            return Ok(cap);
        }
        match self.micro_batch {
            Some((micro, devices)) => Ok(MicroBatches::new(size, micro, devices)?.batch.min(cap)),
            None => Ok(size),
        }
    }

    /// The largest batch in whole micro-batches.
    fn cap(&self) -> Result<usize> {
        match self.micro_batch {
            Some((micro, devices)) => MicroBatches::at_most(self.largest, micro, devices),
            None => Ok(self.largest),
        }
    }
}

impl Checked for AdaptiveBatchConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.test.check()?;
        let grows = self.largest > self.initial;
        let least = if grows { 2 } else { 1 };
        let initial = self.initial;
        check(
            "initial",
            initial as f64,
            initial >= least,
            "2 or more, or 1 that never grows",
        )?;
        check(
            "largest",
            self.largest as f64,
            self.largest >= initial,
            "`initial` or more",
        )?;
        let interval = self.test_interval;
        check("test_interval", interval as f64, interval > 0, "1 or more")?;
        if let Some((size, devices)) = self.micro_batch {
            let first = MicroBatches::new(initial, size, devices)?.batch;
            let allowed = "`initial` or more, both in whole micro-batches";
            let largest = self.largest as f64;
            check("largest", largest, self.cap()? >= first, allowed)?;
        }
        Ok(())
    }
}

/// The batch size of a run: plain data, saved with serde.
///
/// The size never falls and never exceeds the largest, nor does what [`micro_batches`](Self::micro_batches) make of it; at the largest,
/// tests end. With Burn, the size goes to the loader through
/// `LiveBatchSize` of `regimen-curriculum`, and the statistics come from `GradientMoments`.
///
/// Learning rates that follow the run should follow [`samples`](Self::samples) instead of steps, as `LrBySamples` does:
/// growing batches then do not stretch the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct AdaptiveBatch {
    config: AdaptiveBatchConfig,
    batch_size: usize,
    steps: usize,
    samples: usize,
}
checked_serde!(AdaptiveBatch);

impl Checked for AdaptiveBatch {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        let range = self.config.initial..=self.config.largest;
        let whole = self.config.rounded_up(self.batch_size)? == self.batch_size;
        count(
            "batch_size",
            self.batch_size,
            range.contains(&self.batch_size) && whole,
            "`initial` to `largest`, in whole micro-batches",
        )?;
        counted("steps", self.steps)?;
        let first = self.config.rounded_up(self.config.initial)?;
        let begun = self.steps > 0;
        let good = begun || self.batch_size == first;
        count(
            "batch_size",
            self.batch_size,
            good,
            "the first before a step",
        )?;
        count(
            "samples",
            self.samples,
            begun || self.samples == 0,
            "0 before a step",
        )
    }
}

/// A state of another configuration is refused.
impl Part for AdaptiveBatch {
    fn kind(&self) -> String {
        "adaptive batch 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        json::save(self)
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        let saved: Self = json::load(bytes)?;
        same("config", &self.config, &saved.config)?;
        *self = saved;
        Ok(())
    }
}

impl AdaptiveBatch {
    /// Whether the step that comes is one to test: only then are statistics needed.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.config.cap().is_ok_and(|cap| self.batch_size < cap)
            && self.steps.is_multiple_of(self.config.test_interval)
    }

    /// Counts a step over some examples, and returns the size of the next batch.
    ///
    /// Where the step [is due](Self::is_due) and statistics are given, the size becomes
    /// `min(largest, max(size, ceil(wanted)))`. Over several devices, merge the moments first
    /// (`GradientMoments::merge`): all must decide alike.
    ///
    /// # Errors
    /// If the statistics are not finite or lack what the test needs; nothing is changed then.
    pub fn step(
        &mut self,
        examples: usize,
        statistics: Option<&GradientStatistics>,
    ) -> Result<usize> {
        if let (true, Some(statistics)) = (self.is_due(), statistics) {
            let wanted = self.config.test.wanted(statistics)?.ceil();
            let largest = self.config.largest;
            // An infinite size saturates.
            let size = (wanted as usize).clamp(self.batch_size, largest);
            self.batch_size = self.config.rounded_up(size)?;
        }
        self.steps = self.steps.saturating_add(1);
        self.samples = self.samples.saturating_add(examples);
        Ok(self.batch_size)
    }

    /// The size of the next batch.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// How the next batch is accumulated; `None` without a limit on memory.
    #[must_use]
    pub fn micro_batches(&self) -> Option<MicroBatches> {
        let (size, devices) = self.config.micro_batch?;
        MicroBatches::new(self.batch_size, size, devices).ok()
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &AdaptiveBatchConfig {
        &self.config
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Examples so far, over all steps: the clock of rates that must not stretch.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::super::accumulation::split;
    use super::*;

    const G: [[f64; 2]; 4] = [[1.0, 0.0], [3.0, 2.0], [2.0, -1.0], [2.0, 3.0]];

    fn next(test: BatchTest) -> usize {
        let mut batch = AdaptiveBatchConfig::new(test, 4, 10_000).init().unwrap();
        let statistics = GradientStatistics::of(&G).unwrap();
        batch.step(4, Some(&statistics)).unwrap()
    }

    #[test]
    fn check_values() {
        let norm = |eta| next(BatchTest::Norm { eta });
        assert_eq!([norm(0.1), norm(0.25), norm(0.5)], [80, 13, 4]);
        let inner = |theta| next(BatchTest::InnerProduct { theta });
        assert_eq!([inner(0.1), inner(0.5)], [35, 4]);
        let augmented = |theta, nu| next(BatchTest::Augmented { theta, nu });
        assert_eq!(
            [
                augmented(0.1, 0.1),
                augmented(0.1, 1.0),
                augmented(0.5, 1.0)
            ],
            [46, 35, 4]
        );
        assert_eq!(next(BatchTest::CoordinateWise { eta: 0.5 }), 14);
    }

    #[test]
    fn a_gradient_of_zero_asks_for_the_largest_batch() {
        let statistics = GradientStatistics::of(&[[1.0], [-1.0]]).unwrap();
        for test in tests(0.5) {
            let mut batch = AdaptiveBatchConfig::new(test, 2, 77).init().unwrap();
            assert_eq!(batch.step(2, Some(&statistics)).unwrap(), 77);
            assert!(!batch.is_due());
        }
    }

    #[test]
    fn tests_come_at_their_interval() {
        let config = AdaptiveBatchConfig::new(BatchTest::Norm { eta: 0.1 }, 4, 50);
        let mut batch = config.with_test_interval(3).init().unwrap();
        let statistics = GradientStatistics::of(&G).unwrap();
        let due: Vec<bool> = (0..5)
            .map(|_| {
                let due = batch.is_due();
                batch.step(4, None).unwrap();
                due
            })
            .collect();
        assert_eq!(due, [true, false, false, true, false]);
        assert_eq!(batch.step(4, Some(&statistics)).unwrap(), 4);
        assert_eq!(batch.step(4, Some(&statistics)).unwrap(), 50);
    }

    #[test]
    fn a_limit_on_memory_rounds_up_to_whole_micro_batches() {
        let config = AdaptiveBatchConfig::new(BatchTest::Norm { eta: 0.25 }, 4, 50);
        let mut batch = config.with_micro_batch(3, 2).init().unwrap();
        let statistics = GradientStatistics::of(&G).unwrap();
        assert_eq!(batch.step(4, Some(&statistics)).unwrap(), 18);
        let micro = batch.micro_batches().unwrap();
        assert_eq!((micro.size, micro.steps), (3, 3));
    }

    #[test]
    fn a_batch_whose_test_is_met_stays() {
        let config = AdaptiveBatchConfig::new(BatchTest::Norm { eta: 1e6 }, 20, 1000);
        let mut batch = config.with_micro_batch(8, 1).init().unwrap();
        let statistics = GradientStatistics::of(&G).unwrap();
        assert_eq!(batch.batch_size(), 24);
        assert_eq!(batch.micro_batches().unwrap().batch, 24);
        assert_eq!(batch.step(24, Some(&statistics)).unwrap(), 24);
    }

    #[test]
    fn no_update_is_larger_than_the_largest() {
        let statistics = GradientStatistics::of(&[[1.0], [-1.0]]).unwrap();
        for (largest, micro, devices, expected) in [
            (50, 3, 2, 48),
            (50, 100, 3, 48),
            (5, 4, 2, 4),
            (48, 3, 2, 48),
        ] {
            let config = AdaptiveBatchConfig::new(BatchTest::Norm { eta: 0.1 }, 4, largest);
            let mut batch = config.with_micro_batch(micro, devices).init().unwrap();
            assert_eq!(batch.step(4, Some(&statistics)).unwrap(), expected);
            let parts = batch.micro_batches().unwrap();
            assert_eq!(parts.batch, expected);
            assert_eq!(parts.size * parts.steps * devices, expected);
            assert!(!batch.is_due());
        }
        // Twenty examples are three micro-batches of eight, which is more than 21.
        let small = AdaptiveBatchConfig::new(BatchTest::Norm { eta: 1.0 }, 20, 21);
        let refused = small.with_micro_batch(8, 1).init().unwrap_err().to_string();
        assert!(refused.contains("`largest` is 21"), "{refused}");
        let few = AdaptiveBatchConfig::new(BatchTest::Norm { eta: 1.0 }, 2, 3);
        assert!(few.with_micro_batch(8, 4).init().is_err());
    }

    #[test]
    fn bad_configurations_and_statistics_are_refused() {
        let norm = BatchTest::Norm { eta: 0.1 };
        let new = AdaptiveBatchConfig::new;
        assert!(new(norm, 1, 8).init().is_err());
        assert!(new(norm, 1, 1).init().is_ok());
        assert!(new(norm, 8, 4).init().is_err());
        assert!(new(norm, 8, 9).with_test_interval(0).init().is_err());
        assert!(new(norm, 8, 9).with_micro_batch(0, 1).init().is_err());
        assert!(new(norm, 8, 9).with_micro_batch(1 << 63, 2).init().is_err());
        assert!(MicroBatches::new(usize::MAX, 2, 1).is_err());
        assert_eq!(
            split(usize::MAX, 3).map(|part| part.len()).sum::<usize>(),
            usize::MAX
        );
        assert_eq!(split(7, 0).count(), 0);
        for test in tests(0.0).into_iter().chain(tests(f64::NAN)) {
            assert!(new(test, 8, 9).init().is_err(), "{test:?}");
        }
        let mut batch = new(BatchTest::InnerProduct { theta: 1.0 }, 8, 9)
            .init()
            .unwrap();
        let mut statistics = GradientStatistics::of(&G).unwrap();
        statistics.inner_product_variance = None;
        assert!(batch.step(8, Some(&statistics)).is_err());
        statistics.variance = f64::NAN;
        assert!(batch.step(8, Some(&statistics)).is_err());
        assert_eq!((batch.steps(), batch.batch_size()), (0, 8));
        let text = serde_json::to_string(&batch)
            .unwrap()
            .replace("\"batch_size\":8", "\"batch_size\":80");
        assert!(serde_json::from_str::<AdaptiveBatch>(&text).is_err());
    }

    fn tests(constant: f64) -> [BatchTest; 4] {
        let (eta, theta, nu) = (constant, constant, constant);
        [
            BatchTest::Norm { eta },
            BatchTest::InnerProduct { theta },
            BatchTest::Augmented { theta, nu },
            BatchTest::CoordinateWise { eta },
        ]
    }

    fn gradients() -> impl Strategy<Value = Vec<[f64; 3]>> {
        prop::collection::vec(prop::array::uniform3(-2.0_f64..3.0), 2..12)
    }

    proptest! {
        #[test]
        fn scaling_all_gradients_changes_nothing(g in gradients(), scale in 0.1_f64..10.0) {
            let scaled: Vec<[f64; 3]> = g.iter().map(|row| row.map(|x| x * scale)).collect();
            let (a, b) = (GradientStatistics::of(&g).unwrap(), GradientStatistics::of(&scaled).unwrap());
            for test in tests(0.3) {
                let (a, b) = (test.wanted(&a).unwrap(), test.wanted(&b).unwrap());
                prop_assert!((a - b).abs() <= 1e-6 * a.abs(), "{a} {b}");
            }
        }

        #[test]
        fn equal_gradients_never_grow_a_batch(row in prop::array::uniform3(0.5_f64..3.0), count in 2_usize..9) {
            let statistics = GradientStatistics::of(&vec![row; count]).unwrap();
            for test in tests(0.01) {
                let mut batch = AdaptiveBatchConfig::new(test, 2, 999).init().unwrap();
                prop_assert_eq!(batch.step(count, Some(&statistics)).unwrap(), 2);
            }
        }

        #[test]
        fn batches_never_fall_and_a_saved_state_goes_on(
            rows in prop::collection::vec(gradients(), 1..8),
            kill in 0_usize..8,
            micro in prop::option::of((1_usize..9, 1_usize..3)),
        ) {
            for test in tests(0.7) {
                let mut config = AdaptiveBatchConfig::new(test, 2, 40).with_test_interval(2);
                config.micro_batch = micro;
                let (mut straight, mut resumed) = (config.init().unwrap(), config.init().unwrap());
                for (step, g) in rows.iter().enumerate() {
                    let statistics = GradientStatistics::of(g).unwrap();
                    let before = straight.batch_size();
                    let after = straight.step(g.len(), Some(&statistics)).unwrap();
                    prop_assert!(before <= after && after <= 40);
                    prop_assert!(straight.micro_batches().is_none_or(|parts| parts.batch == after));
                    if step == kill {
                        let text = serde_json::to_string(&resumed).unwrap();
                        resumed = serde_json::from_str(&text).unwrap();
                    }
                    resumed.step(g.len(), Some(&statistics)).unwrap();
                }
                prop_assert_eq!(straight, resumed);
            }
        }

        #[test]
        fn along_and_across_make_up_the_whole(g in gradients()) {
            let s = GradientStatistics::of(&g).unwrap();
            prop_assume!(s.squared_norm > 1e-3);
            let mean: Vec<f64> = (0..3).map(|j| g.iter().map(|r| r[j]).sum::<f64>() / g.len() as f64).collect();
            // The orthogonal parts themselves, against the identity.
            let across: Vec<[f64; 3]> = g.iter().map(|row| {
                let dot: f64 = row.iter().zip(&mean).map(|(a, b)| a * b).sum();
                [0, 1, 2].map(|j| row[j] - dot / s.squared_norm * mean[j])
            }).collect();
            let direct = GradientStatistics::of(&across).unwrap().variance;
            assert_relative_eq!(s.orthogonal_variance().unwrap(), direct, epsilon = 1e-7);
        }
    }
}
