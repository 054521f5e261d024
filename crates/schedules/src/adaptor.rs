//! # LrSchedule
//!
//! Any schedule as Burn's learning-rate scheduler.
//!
//! Source: `burn::lr_scheduler::LrScheduler`, which is stepped before each update.

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};

use crate::schedule::Schedule;

/// A [`Schedule`] as an [`LrScheduler`], ready for Burn's `Learner`.
///
/// Burn steps a scheduler before the first update, so update `t` runs at `schedule.at(t)`. The
/// record holds the position only: the schedule is rebuilt from its own parameters.
///
/// ```
/// use burn::lr_scheduler::LrScheduler;
/// use regimen_schedules::{Linear, LrSchedule};
///
/// let mut scheduler = LrSchedule::new(Linear::new(1.0, 4)?);
/// assert_eq!((scheduler.step(), scheduler.step()), (1.0, 0.75));
///
/// // A run that is stopped here and goes on later.
/// let record = scheduler.to_record();
/// let mut later = LrSchedule::new(Linear::new(1.0, 4)?);
/// later.load_record(record);
/// assert_eq!(later.step(), 0.5);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LrSchedule<S> {
    schedule: S,
    next: usize,
    updates_per_step: usize,
    within: usize,
}

impl<S: Schedule> LrSchedule<S> {
    /// Starts at step 0.
    #[must_use]
    pub fn new(schedule: S) -> Self {
        Self {
            schedule,
            next: 0,
            updates_per_step: 1,
            within: 0,
        }
    }

    /// Advances the schedule only every `batches` calls: with gradient accumulation Burn's learner
    /// steps the scheduler at each micro-batch, while schedules count updates. 0 counts as 1.
    #[must_use]
    pub fn with_accumulation(mut self, batches: usize) -> Self {
        self.updates_per_step = batches.max(1);
        self
    }

    /// The step whose value the next call returns.
    #[must_use]
    pub fn position(&self) -> usize {
        self.next
    }
}

impl<S: Schedule + Clone + Send + Sync + 'static> LrScheduler for LrSchedule<S> {
    fn step(&mut self) -> f64 {
        let value = self.schedule.at(self.next);
        self.within += 1;
        if self.within == self.updates_per_step {
            self.within = 0;
            self.next += 1;
        }
        value
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new()
            .with_scalar("step", self.next as u64)
            .with_scalar("within", self.within as u64)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        let read = |key: &str| record.scalar::<u64>(key).map(|value| value as usize);
        self.next = read("step").unwrap_or(0);
        self.within = read("within").unwrap_or(0).min(self.updates_per_step - 1);
    }
}
