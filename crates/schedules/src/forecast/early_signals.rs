//! # EarlySignals
//!
//! Ranks fine-tuning runs by gradient norm and training loss in the same early window of samples, so that the worst are stopped.
//!
//! Source: Pareja et al., "Unveiling the Secret Recipe: A Guide For Supervised Fine-Tuning Small LLMs" (arXiv 2412.13337): a
//! lower gradient norm and a higher training loss early in training go with better final scores.

mod runs;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use crate::error::{
    Error, Result, check, check_finite, check_not_negative, check_positive, check_same,
    finite_result,
};

pub use runs::{EarlySignal, Selection, select};

/// Configuration of the early signals of a run.
///
/// The paper gives the correlation and no rule. The window, the gate and the ranks of [`select`] are this library's.
///
/// | parameter | default | unit | range |
/// |---|---|---|---|
/// | `start` | | samples seen | from 1 |
/// | `end` | | samples seen | above `start` |
/// | `fall` | 0 | share of the loss | from 0 |
/// | `tolerance` | 0.05 | share of the loss | from 0 |
///
/// The loss has fallen if its mean in the window lies below the mean before by more than noise, and by more than the share
/// `fall` of that. Noise is three standard errors of the difference, from the second differences of the losses: a loss that falls
/// slowly but surely is healthy, one that only fluctuates is not. With fewer than three updates up to the window's end there is
/// no measure of noise, and with one (a batch as large as the window's end) none of the fall: only then a finite loss is enough.
///
/// Runs are compared at equal samples, never at equal steps: a batch of 4096 takes 1/32 of the steps of one of 128. 5 to 10 % of
/// the samples of a run is a useful window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct EarlySignalsConfig {
    /// Samples after which the window begins.
    pub start: u64,
    /// Samples with which it ends.
    pub end: u64,
    /// How much lower the loss must be in the window than on average before it at least, as a share of that.
    pub fall: f64,
    /// How much the loss may rise from the window's first half to its second, as a share of it.
    pub tolerance: f64,
}

impl EarlySignalsConfig {
    /// A window of samples.
    #[must_use]
    pub fn new(start: u64, end: u64) -> Self {
        Self {
            start,
            end,
            fall: 0.0,
            tolerance: 0.05,
        }
    }

    /// How much lower the loss must be in the window than before it.
    #[must_use]
    pub fn with_fall(mut self, fall: f64) -> Self {
        self.fall = fall;
        self
    }

    /// How much the loss may rise within the window.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The signals of a run that has not begun.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn init(self) -> Result<EarlySignals> {
        EarlySignals {
            config: self,
            seen: 0,
            diverged: false,
            norms: 0.0,
            losses: [0.0; 3],
            noise: Noise::default(),
        }
        .checked()
    }
}

/// The early signals of one run: plain data that is saved with it.
///
/// ```
/// use regimen_schedules::EarlySignalsConfig;
///
/// let mut signals = EarlySignalsConfig::new(100, 200).init()?;
/// for step in 0..10 {
///     let (norm, loss) = (1.0, 3.0 - 0.1 * f64::from(step)); // of each update, on a batch of 32
///     signals.observe(32, norm, loss)?;
/// }
/// let signal = signals.signal()?; // means over samples 100 to 200
/// assert!((signal.loss - 2.58).abs() < 0.01 && signal.healthy);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct EarlySignals {
    config: EarlySignalsConfig,
    seen: u64,
    /// Whether a value was not finite.
    diverged: bool,
    /// Sum over the window's samples.
    norms: f64,
    /// The same of the losses: before the window, in its first half, in its second.
    losses: [f64; 3],
    #[serde(default)]
    noise: Noise,
}

/// What tells how far the mean before the window and the mean in it differ by noise alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Noise {
    /// Updates up to the window's end.
    updates: u64,
    /// The last two losses, the latest first.
    last: [f64; 2],
    /// Sum of the squared second differences of the losses, each of which is six times a loss's variance.
    squares: f64,
    /// Sum of the squared weights that the updates have in the difference of the two means.
    weights: f64,
}

impl Noise {
    fn observe(&mut self, loss: f64, weight: f64) {
        let [one, two] = self.last;
        if self.updates >= 2 {
            self.squares += (loss - 2.0 * one + two).powi(2);
        }
        self.last = [loss, one];
        self.updates += 1;
        self.weights += weight * weight;
    }

    /// The standard error of the difference; 0 where it can't be known.
    fn error(&self) -> f64 {
        match self.updates.saturating_sub(2) {
            0 => 0.0,
            differences => (self.squares / (6.0 * differences as f64) * self.weights).sqrt(),
        }
    }
}

/// Standard errors that tell a fall from noise.
const SURE: f64 = 3.0;

checked_serde!(EarlySignals, EarlySignalsConfig);

impl Checked for EarlySignalsConfig {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let (start, end) = (self.start, self.end);
        check("start", start as f64, start > 0, "1 or more")?;
        check("end", end as f64, end > start, "above `start`")?;
        check_not_negative("fall", self.fall)?;
        check_not_negative("tolerance", self.tolerance)
    }
}

impl Checked for Noise {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let finite = |loss: &f64| check_finite("last", *loss);
        self.last.iter().try_for_each(finite)?;
        check_not_negative("squares", self.squares)?;
        check_not_negative("weights", self.weights)
    }
}

impl Checked for EarlySignals {
    type Error = Error;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        self.noise.check()?;
        check_not_negative("norms", self.norms)?;
        let finite = |loss: &f64| check_finite("losses", *loss);
        self.losses.iter().try_for_each(finite)?;
        let updates = self.noise.updates;
        let allowed = "no more than the samples seen";
        check("updates", updates as f64, updates <= self.seen, allowed)?;
        for ((low, _), sum) in self.parts().into_iter().zip(self.losses) {
            let allowed = "0 where no sample was seen";
            check("losses", sum, self.seen > low || sum == 0.0, allowed)?;
        }
        let reached = self.seen > self.config.start;
        let allowed = "0 before the window";
        check("norms", self.norms, reached || self.norms == 0.0, allowed)
    }
}

impl Part for EarlySignals {
    fn kind(&self) -> String {
        "early-signals 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    /// The saved window must be the same.
    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let read: Self = json::load(bytes)?;
        check_same("config", &read.config, &self.config)?;
        *self = read;
        Ok(())
    }
}

impl EarlySignals {
    /// Notes an update: the samples of its batch, the l2 norm of its gradient, its mean training loss.
    ///
    /// An update that reaches over an end of the window counts with the samples within. Values that are not finite, or whose
    /// sums are not, are taken: they tell a run that diverged.
    ///
    /// # Errors
    /// If there is no sample, or the norm is negative.
    pub fn observe(&mut self, samples: u64, gradient_norm: f64, loss: f64) -> Result<()> {
        check("samples", samples as f64, samples > 0, "1 or more")?;
        if gradient_norm < 0.0 {
            return check_not_negative("gradient_norm", gradient_norm);
        }
        let (from, to) = (self.seen, self.seen.saturating_add(samples));
        self.seen = to;
        if from >= self.config.end {
            return Ok(());
        }
        if !gradient_norm.is_finite() || !loss.is_finite() {
            self.diverged = true;
            return Ok(());
        }
        let counts = self.parts().map(|(low, high)| {
            let within = to.min(high).saturating_sub(from.max(low));
            within as f64
        });
        let EarlySignalsConfig { start, end, .. } = self.config;
        let weight = counts[0] / start as f64 - (counts[1] + counts[2]) / (end - start) as f64;
        let mut next = self.clone();
        next.noise.observe(loss, weight);
        next.norms += (counts[1] + counts[2]) * gradient_norm;
        for (sum, count) in next.losses.iter_mut().zip(counts) {
            *sum += count * loss;
        }
        match next.check() {
            Ok(()) => *self = next,
            Err(_) => self.diverged = true,
        }
        Ok(())
    }

    /// Samples before the window, in its first half, in its second.
    fn parts(&self) -> [(u64, u64); 3] {
        let EarlySignalsConfig { start, end, .. } = self.config;
        let middle = start + (end - start).div_ceil(2);
        [(0, start), (start, middle), (middle, end)]
    }

    /// Samples seen so far.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether the window is over.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.seen >= self.config.end
    }

    /// What the window tells.
    ///
    /// # Errors
    /// If it is not over.
    pub fn signal(&self) -> Result<EarlySignal> {
        if !self.is_complete() {
            return Err(Error::OutOfRange {
                field: "seen",
                value: self.seen.to_string(),
                allowed: "the end of the window or more",
            });
        }
        let EarlySignalsConfig {
            start,
            end,
            fall,
            tolerance,
        } = self.config;
        let width = (end - start) as f64;
        let both = (self.losses[1] + self.losses[2]) / width;
        let loss = if both.is_finite() {
            both
        } else {
            self.losses[1] / width + self.losses[2] / width
        };
        let sizes = self.parts().map(|(low, high)| (high - low) as f64);
        let [before, first, second] = [0, 1, 2].map(|part| self.losses[part] / sizes[part]);
        let least = (fall * before.abs()).max(SURE * self.noise.error());
        let fell = self.noise.updates < 2 || before - loss > least;
        // A window of one sample has no second half.
        let rises = sizes[2] > 0.0 && second > first + tolerance * first.abs();
        Ok(EarlySignal {
            gradient_norm: self.norms / width,
            loss,
            healthy: !self.diverged && fell && !rises,
        })
    }
}

/// The squared norm that the mean gradient of a batch has in expectation: `|g|^2 + trace / batch`.
///
/// `squared_mean` is the squared norm of the expected gradient, `trace` that of the covariance of one sample's.
///
/// # Errors
/// If a value is negative, or one or the sum is not finite, or the batch is empty.
pub fn expected_squared_norm(squared_mean: f64, trace: f64, batch: usize) -> Result<f64> {
    check_not_negative("squared_mean", squared_mean)?;
    check_not_negative("trace", trace)?;
    check_positive("batch", batch as f64)?;
    finite_result(
        "squared_mean",
        squared_mean + trace / batch as f64,
        squared_mean,
    )
}

/// The two parts again, from mean squared norms at two batch sizes, each `(batch, squared norm)`: the squared norm of the
/// expected gradient, and the trace of the covariance of one sample's. Estimates: either may come out negative.
///
/// So runs of different batch sizes are compared by what is not noise.
///
/// # Errors
/// If a value or a part is not finite, a batch is empty, or both are of one size.
pub fn split_squared_norm(one: (usize, f64), other: (usize, f64)) -> Result<(f64, f64)> {
    check_finite("squared norm", one.1)?;
    check_finite("squared norm", other.1)?;
    let sizes = [one.0, other.0].map(|batch| batch as f64);
    let good = sizes[0] > 0.0 && sizes[1] > 0.0 && sizes[0] != sizes[1];
    check(
        "batch",
        sizes[1],
        good,
        "1 or more, and another size than the first",
    )?;
    let mean = (sizes[0] * one.1 - sizes[1] * other.1) / (sizes[0] - sizes[1]);
    let trace = (one.1 - other.1) / (1.0 / sizes[0] - 1.0 / sizes[1]);
    finite_result("squared norm", mean + trace, one.1)?;
    Ok((mean, trace))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signal(gradient_norm: f64, loss: f64) -> EarlySignal {
        EarlySignal {
            gradient_norm,
            loss,
            healthy: true,
        }
    }

    fn observed(config: EarlySignalsConfig, updates: &[(u64, f64, f64)]) -> EarlySignals {
        let mut signals = config.init().unwrap();
        for &(samples, norm, loss) in updates {
            signals.observe(samples, norm, loss).unwrap();
        }
        signals
    }

    #[test]
    fn ranks_of_the_worked_case() {
        let runs = [(1.0, 2.0), (0.5, 2.5), (2.0, 1.5), (0.7, 2.2)].map(|(g, l)| signal(g, l));
        let selection = select(&runs, 0.5).unwrap();
        let ranks = [3.0, 1.0, 4.0, 2.0].map(Some);
        assert_eq!(selection.ranks, ranks);
        assert_eq!((selection.keep, selection.stop), (vec![1, 3], vec![0, 2]));
    }

    #[test]
    fn equal_runs_share_ranks_and_sick_ones_go_first() {
        let sick = EarlySignal {
            healthy: false,
            ..signal(0.1, 9.0)
        };
        let selection = select(&[signal(1.0, 2.0), sick, signal(1.0, 2.0)], 0.0).unwrap();
        assert_eq!(selection.ranks, [Some(1.5), None, Some(1.5)]);
        assert_eq!((selection.keep, selection.stop), (vec![0, 2], vec![1]));
        let none = select(&[sick], 0.0).unwrap();
        assert_eq!((none.keep.len(), none.stop), (0, vec![0]));
    }

    /// Means by hand over samples 10 to 30, of batches that reach over both ends.
    #[test]
    fn windows_are_by_samples() {
        let updates = [(16, 4.0, 8.0), (16, 2.0, 4.0), (16, 1.0, 3.0)];
        let found = observed(EarlySignalsConfig::new(10, 30), &updates)
            .signal()
            .unwrap();
        let expected = (6.0 * 8.0 + 14.0 * 4.0) / 20.0;
        assert!((found.loss - expected).abs() < 1e-12 && found.healthy);
        assert!((found.gradient_norm - (6.0 * 4.0 + 14.0 * 2.0) / 20.0).abs() < 1e-12);
    }

    #[test]
    fn runs_that_diverge_stand_still_or_rise_are_sick() {
        let healthy = |losses: [f64; 4]| {
            let updates = losses.map(|loss| (10, 1.0, loss));
            let config = EarlySignalsConfig::new(10, 40);
            observed(config, &updates).signal().unwrap().healthy
        };
        assert!(healthy([3.0, 2.9, 2.8, 2.7]));
        assert!(!healthy([3.0, 3.0, 3.0, 3.0]));
        assert!(healthy([1.200, 1.197, 1.194, 1.190]));
        assert!(!healthy([3.0, 2.99, 3.01, 2.98]));
        assert!(!healthy([3.0, 2.0, 2.5, 2.9]));
        assert!(!healthy([3.0, 2.9, f64::NAN, 2.7]));
        assert!(!healthy([f64::INFINITY, 2.9, 2.8, 2.7]));
    }

    #[test]
    fn a_falling_loss_is_healthy_at_every_batch_size() {
        for batch in [1, 32, 512, 1000, 4096, 6400, 8192, 12_800, 20_000] {
            let mut signals = EarlySignalsConfig::new(6400, 12_800).init().unwrap();
            let (mut seen, mut flat) = (0, signals.clone());
            while !signals.is_complete() {
                signals
                    .observe(batch, 1.0, 2.0 - 1e-6 * seen as f64)
                    .unwrap();
                flat.observe(batch, 1.0, 2.0).unwrap();
                seen += batch;
            }
            assert!(signals.signal().unwrap().healthy, "{batch}");
            // One update tells nothing of a fall.
            assert_eq!(flat.signal().unwrap().healthy, batch >= 12_800, "{batch}");
        }
        let asked = EarlySignalsConfig::new(10, 40).with_fall(0.01);
        let updates = [3.0, 2.99, 2.98, 2.97].map(|loss| (10, 1.0, loss));
        assert!(!observed(asked, &updates).signal().unwrap().healthy);
    }

    /// Losses of a run that learns nothing differ by noise alone.
    #[test]
    fn noise_is_no_fall() {
        let mut random = 1_u64;
        for _ in 0..100 {
            let mut signals = EarlySignalsConfig::new(6400, 12_800).init().unwrap();
            while !signals.is_complete() {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let noise = (random >> 33) as f64 / f64::from(1_u32 << 31) - 0.5;
                signals.observe(32, 1.0, 9.0 + noise).unwrap();
            }
            assert!(!signals.signal().unwrap().healthy);
        }
    }

    #[test]
    fn a_diverged_run_goes_on_from_json() {
        let mut signals = observed(EarlySignalsConfig::new(1, 5), &[(2, f64::NAN, f64::NAN)]);
        let saved = serde_json::to_string(&signals).unwrap();
        assert_eq!(
            serde_json::from_str::<EarlySignals>(&saved).unwrap(),
            signals
        );
        signals.observe(5, 1.0, 1.0).unwrap();
        assert!(!signals.signal().unwrap().healthy);
        let broken = saved.replace("\"norms\":0.0", "\"norms\":-1.0");
        assert!(serde_json::from_str::<EarlySignals>(&broken).is_err());
    }

    #[test]
    fn shares_that_are_whole_but_for_rounding_are_whole() {
        let runs: Vec<_> = (0..100).map(|i| signal(f64::from(i), 1.0)).collect();
        assert_eq!(select(&runs, 0.29).unwrap().stop.len(), 29);
        let with_nan = select(&[signal(f64::NAN, 1.0), signal(1.0, 1.0)], 0.0).unwrap();
        assert_eq!((with_nan.keep, with_nan.stop), (vec![1], vec![0]));
    }

    #[test]
    fn noise_falls_with_the_batch() {
        let expected = [
            (1, 65.0),
            (16, 5.0),
            (64, 2.0),
            (256, 1.25),
            (4096, 1.015_625),
        ];
        for (batch, squared) in expected {
            assert_eq!(expected_squared_norm(1.0, 64.0, batch).unwrap(), squared);
        }
        let (mean, trace) = split_squared_norm(expected[1], expected[3]).unwrap();
        assert!((mean - 1.0).abs() < 1e-12 && (trace - 64.0).abs() < 1e-9);
    }

    #[test]
    fn bad_input_is_named() {
        let bad = |result: Result<EarlySignals>| result.unwrap_err().to_string();
        assert!(bad(EarlySignalsConfig::new(5, 5).init()).contains("`end`"));
        let negative = EarlySignalsConfig::new(1, 5).with_tolerance(f64::NAN);
        assert!(bad(negative.init()).contains("`tolerance`"));
        assert!(bad(EarlySignalsConfig::new(0, 5).init()).contains("`start`"));
        assert!(bad(EarlySignalsConfig::new(1, 5).with_fall(-1.0).init()).contains("`fall`"));
        let mut signals = EarlySignalsConfig::new(1, 5).init().unwrap();
        assert!(signals.observe(0, 1.0, 1.0).is_err());
        assert!(signals.observe(1, -1.0, 1.0).is_err());
        assert!(signals.signal().is_err());
        assert!(select(&[], 0.5).is_err());
        for fraction in [-0.1, 1.0, f64::NAN] {
            assert!(select(&[signal(1.0, 1.0)], fraction).is_err());
        }
        assert!(expected_squared_norm(1.0, 1.0, 0).is_err());
        assert!(split_squared_norm((4, 1.0), (4, 2.0)).is_err());
        let state = serde_json::to_string(&signals)
            .unwrap()
            .replace("\"end\":5", "\"end\":0");
        assert!(serde_json::from_str::<EarlySignals>(&state).is_err());
    }

    proptest! {
        /// The window's means do not depend on how its samples fall into batches, and a saved run goes on the same.
        #[test]
        fn batches_and_resumes_change_nothing(
            sizes in prop::collection::vec(1_u64..40, 1..30),
            norm in 0.1_f64..10.0,
            cut in 0_usize..30,
        ) {
            let config = EarlySignalsConfig::new(7, 29);
            let (mut signals, mut single) = (config.init().unwrap(), config.init().unwrap());
            for (step, &size) in sizes.iter().enumerate() {
                if step == cut {
                    let saved = serde_json::to_string(&signals).unwrap();
                    signals = serde_json::from_str(&saved).unwrap();
                }
                let loss = 3.0 - step as f64 / 100.0;
                signals.observe(size, norm, loss).unwrap();
                for _ in 0..size {
                    single.observe(1, norm, loss).unwrap();
                }
            }
            prop_assert_eq!(signals.seen(), single.seen());
            if let (Ok(a), Ok(b)) = (signals.signal(), single.signal()) {
                prop_assert!((a.loss - b.loss).abs() < 1e-9);
                prop_assert!((a.gradient_norm - b.gradient_norm).abs() < 1e-9);
            }
        }

        /// Every run is kept or stopped, and no run that is kept has a worse rank than one that is stopped.
        #[test]
        fn a_selection_is_a_partition(
            values in prop::collection::vec((0.0_f64..4.0, 0.0_f64..4.0, prop::bool::weighted(0.8)), 1..20),
            fraction in 0.0_f64..0.99,
        ) {
            let runs: Vec<_> = values
                .iter()
                .map(|&(norm, loss, healthy)| EarlySignal { healthy, ..signal(norm, loss) })
                .collect();
            let found = select(&runs, fraction).unwrap();
            let mut all = [found.keep.clone(), found.stop.clone()].concat();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..runs.len()));
            prop_assert!(found.keep.iter().all(|&run| runs[run].healthy));
            let rank = |run: &usize| found.ranks[*run].unwrap_or(f64::INFINITY);
            let worst = found.keep.iter().map(rank).fold(0.0, f64::max);
            prop_assert!(found.stop.iter().all(|run| rank(run) >= worst));
        }
    }
}
