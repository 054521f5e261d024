//! A rate whose clock is the number of examples.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use regimen_schedules::Schedule;
use regimen_tensor::checkpoint::{Part, PartError, json};

/// A [`Schedule`] of the number of examples so far, as an [`LrScheduler`]: growing batches do not stretch it.
///
/// Clones share the clock: one goes into the `Learner`, another stays in the model (`#[module(skip)]`) or the loop and is told
/// the examples of each update. The record holds the clock. Burn gives a
/// scheduler no way to refuse a record: one of another scheduler, without this clock, starts it at 0.
///
/// ```
/// use burn::lr_scheduler::LrScheduler;
/// use regimen_curriculum::LrBySamples;
/// use regimen_schedules::Linear;
///
/// let mut rate = LrBySamples::new(Linear::new(1.0, 1000)?);
/// let clock = rate.clone();
/// assert_eq!(rate.step(), 1.0);
/// clock.advance(250);
/// assert_eq!(rate.step(), 0.75);
///
/// let mut later = LrBySamples::new(Linear::new(1.0, 1000)?);
/// later.load_record(rate.to_record());
/// assert_eq!(later.step(), 0.75);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LrBySamples<S> {
    schedule: S,
    samples: Arc<AtomicU64>,
}

impl<S: Schedule> LrBySamples<S> {
    /// Starts at example 0.
    #[must_use]
    pub fn new(schedule: S) -> Self {
        let samples = Arc::default();
        Self { schedule, samples }
    }

    /// Counts the examples of an update.
    pub fn advance(&self, examples: usize) {
        let more = |samples: u64| Some(samples.saturating_add(examples as u64));
        let _ = self
            .samples
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
    }

    /// Examples so far.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples.load(Ordering::Acquire) as usize
    }
}

impl<S: Schedule + Clone + Send + Sync + 'static> LrScheduler for LrBySamples<S> {
    fn step(&mut self) -> f64 {
        self.schedule.at(self.samples())
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new().with_scalar("samples", self.samples.load(Ordering::Acquire))
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        let samples = record.scalar::<u64>("samples").unwrap_or(0);
        self.samples.store(samples, Ordering::Release);
    }
}

/// The clock: all clones have what is loaded. The schedule is not part of it.
impl<S> Part for LrBySamples<S> {
    fn kind(&self) -> String {
        "lr by samples 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(&self.samples.load(Ordering::Acquire))
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        self.samples.store(json::load(bytes)?, Ordering::Release);
        Ok(())
    }
}
