//! # LrSchedule, LrFeedback
//!
//! Any schedule, and any rate that follows a metric, as Burn's learning-rate scheduler.
//!
//! Source: `burn::lr_scheduler::LrScheduler`, which is stepped before each update.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};

use crate::compose::AnySchedule;
use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::schedule::Schedule;
use crate::values::Constant;
use crate::values::Infinite;

/// A [`Schedule`] as an [`LrScheduler`], ready for Burn's `Learner`.
///
/// Burn steps a scheduler once before each update of the optimizer, so update `t` runs at `schedule.at(t)`: also with
/// gradient accumulation and on several devices, under every execution strategy of `SupervisedTraining`. A schedule's length is
/// therefore a number of updates: batches over `accumulation`, rounded up in each epoch, times the epochs. A `launch` begins with
/// the scheduler that it is given: for a second one that goes on with the same schedule, [`with_position`](Self::with_position)
/// says how many updates the first one made, unless Burn's checkpoint does.
///
/// The record holds the position and a few rates of the run so far; the schedule is rebuilt from its own parameters. A schedule
/// that had other rates up to the position, such as one of another length, would make the rate jump: [`resume`](Self::resume)
/// refuses it. Burn gives a scheduler no way to refuse a record: in a `launch` from a checkpoint it goes on at the record's
/// position, [`mismatch`](Self::mismatch) holds the error, and the error is logged with `tracing`. What is the same up to the
/// position and differs later (a longer stable phase, a branch that anneals) is no mismatch, and
/// [`with_any_past`](Self::with_any_past) allows any. A record of another scheduler, without a position, starts at step 0.
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
    calls_per_update: usize,
    within: usize,
    any_past: bool,
    mismatch: Option<Error>,
}

impl<S: Schedule> LrSchedule<S> {
    /// Starts at step 0.
    #[must_use]
    pub fn new(schedule: S) -> Self {
        Self {
            schedule,
            next: 0,
            calls_per_update: 1,
            within: 0,
            any_past: false,
            mismatch: None,
        }
    }

    /// Goes on from a record.
    ///
    /// ```
    /// use burn::lr_scheduler::LrScheduler;
    /// use regimen_schedules::{Linear, LrSchedule};
    ///
    /// let mut scheduler = LrSchedule::new(Linear::new(1.0, 4)?);
    /// scheduler.step();
    /// scheduler.step();
    /// let record = scheduler.to_record();
    /// assert_eq!(LrSchedule::resume(Linear::new(1.0, 4)?, &record)?.step(), 0.5);
    ///
    /// let error = LrSchedule::resume(Linear::new(1.0, 8)?, &record).unwrap_err();
    /// assert!(error.to_string().contains("had the rate 0.75 at step 1, where this schedule has 0.875"));
    ///
    /// let mut longer = LrSchedule::new(Linear::new(1.0, 8)?).with_any_past();
    /// longer.load_record(record);
    /// assert_eq!(longer.step(), 0.75);
    /// # Ok::<(), regimen_schedules::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the record is not that of an [`LrSchedule`], or the schedule had other rates up to its position.
    pub fn resume(schedule: S, record: &LrSchedulerRecord) -> Result<Self> {
        if record.scalar::<u64>("step").is_none() {
            return Err(Error::OutOfRange {
                field: "record",
                value: "without a step".into(),
                allowed: "that of an `LrSchedule`",
            });
        }
        let mut new = Self::new(schedule);
        new.load(record);
        match new.mismatch.take() {
            Some(error) => Err(error),
            None => Ok(new),
        }
    }

    /// Takes records of runs that had other rates, for a change that is meant: the schedule goes on at the record's position.
    #[must_use]
    pub fn with_any_past(mut self) -> Self {
        self.any_past = true;
        self
    }

    /// What is wrong with the record that was loaded last.
    #[must_use]
    pub fn mismatch(&self) -> Option<&Error> {
        self.mismatch.as_ref()
    }

    /// The steps whose rates a record keeps: the first, the middle and the last one so far.
    fn kept(next: usize) -> [(&'static str, usize); 3] {
        let last = next.saturating_sub(1);
        [
            ("rate_first", 0),
            ("rate_middle", last / 2),
            ("rate_last", last),
        ]
    }

    fn load(&mut self, record: &LrSchedulerRecord) {
        let read = |key: &str| record.scalar::<u64>(key).map(|value| value as usize);
        self.next = read("step").unwrap_or(0);
        self.within = read("within").unwrap_or(0).min(self.calls_per_update - 1);
        self.mismatch = None;
        if self.any_past {
            return;
        }
        for (key, step) in Self::kept(self.next) {
            let found = self.schedule.at(step);
            // Nothing is kept of a run that has not begun.
            let recorded = record.scalar::<f64>(key).unwrap_or(found);
            // Another build may round otherwise.
            if (found - recorded).abs() > 1e-9 * recorded.abs().max(f64::MIN_POSITIVE) {
                self.mismatch = Some(Error::OtherSchedule {
                    step,
                    recorded,
                    found,
                });
            }
        }
    }

    /// For a loop of your own that calls [`step`](LrScheduler::step) once a micro-batch: the schedule advances after so many
    /// calls, which are one update. 0 counts as 1.
    ///
    /// Not for Burn's `SupervisedTraining`, which steps the scheduler once an update whatever its `grads_accumulation` is: there
    /// it would slow the schedule down.
    ///
    /// ```
    /// use burn::lr_scheduler::LrScheduler;
    /// use regimen_schedules::{Linear, LrSchedule};
    ///
    /// let mut scheduler = LrSchedule::new(Linear::new(1.0, 2)?).with_calls_per_update(2);
    /// let rates = [0, 1, 2, 3].map(|_micro_batch| scheduler.step());
    /// assert_eq!(rates, [1.0, 1.0, 0.5, 0.5]);
    /// # Ok::<(), regimen_schedules::Error>(())
    /// ```
    #[must_use]
    pub fn with_calls_per_update(mut self, calls: usize) -> Self {
        self.calls_per_update = calls.max(1);
        self
    }

    /// Begins at a step: the number of updates that earlier runs made on this schedule.
    #[must_use]
    pub fn with_position(mut self, step: usize) -> Self {
        (self.next, self.within) = (step, 0);
        self
    }

    /// The step whose value the next call returns.
    #[must_use]
    pub fn position(&self) -> usize {
        self.next
    }
}

impl LrSchedule<Infinite> {
    /// The scheduler of a branch that leaves the trunk here: from this position, on the plateau, it
    /// anneals to `end` over `steps`. The trunk itself stays as it is.
    ///
    /// With the model and the optimizer copied at the same moment, the branch is the finished model
    /// and the trunk goes on. From a checkpoint on disk, give the trunk's record to a run of
    /// [`Infinite::anneal`] instead.
    ///
    /// ```
    /// use burn::lr_scheduler::LrScheduler;
    /// use regimen_schedules::{Infinite, LrSchedule};
    ///
    /// let mut trunk = LrSchedule::new(Infinite::new(0.4, 0.2, 2, 2)?);
    /// let rates: Vec<f64> = (0..6).map(|_| trunk.step()).collect();
    /// assert_eq!(rates, [0.0, 0.2, 0.4, 0.30000000000000004, 0.2, 0.2]);
    ///
    /// let mut branch = trunk.anneal(2, 0.05)?;
    /// assert_eq!([branch.step(), branch.step(), branch.step()], [0.2, 0.1, 0.05]);
    /// assert_eq!(trunk.step(), 0.2);
    /// # Ok::<(), regimen_schedules::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the position lies before the plateau, `steps` is 0, or `end` or the plateau's rate is not
    /// above 0.
    pub fn anneal(&self, steps: usize, end: f64) -> Result<Self> {
        let schedule = self.schedule.anneal(self.next, steps, end)?;
        Ok(Self {
            schedule,
            ..self.clone()
        })
    }
}

impl<S: Schedule + Clone + Send + Sync + 'static> LrScheduler for LrSchedule<S> {
    fn step(&mut self) -> f64 {
        let value = self.schedule.at(self.next);
        self.within += 1;
        if self.within == self.calls_per_update {
            self.within = 0;
            self.next += 1;
        }
        value
    }

    fn to_record(&self) -> LrSchedulerRecord {
        let mut record = LrSchedulerRecord::new()
            .with_scalar("step", self.next as u64)
            .with_scalar("within", self.within as u64);
        if self.next > 0 {
            for (key, step) in Self::kept(self.next) {
                record = record.with_scalar(key, self.schedule.at(step));
            }
        }
        record
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        self.load(&record);
        if let Some(mismatch) = &self.mismatch {
            tracing::error!("learning rate: {mismatch}");
        }
    }
}

/// A rate that follows a metric, as an [`LrScheduler`].
///
/// Clones share the rate's state, which is host numbers: one goes into the `Learner`, another stays where the metric is
/// known (in the model with `#[module(skip)]`, or outside) and calls [`observe`](Self::observe), once for each value that
/// counts: with gradient accumulation or on several devices that is a mean over all parts of an update, not a call for each.
/// The record holds the state, so a run that is resumed goes on with its rate, its best value and its counts. Burn gives a
/// scheduler no way to refuse a record: one of another scheduler leaves this state as it is.
///
/// ```
/// use burn::lr_scheduler::LrScheduler;
/// use regimen_schedules::{LrFeedback, ReduceOnPlateauConfig};
///
/// let config = ReduceOnPlateauConfig::torch().with_patience(0).with_factor(0.5);
/// let rate = LrFeedback::new(config.init(1.0)?);
/// let mut scheduler = rate.clone(); // for `Learner::new(model, optim, scheduler)`
/// assert_eq!(scheduler.step(), 1.0);
/// rate.observe(3.0);
/// rate.observe(3.0);
/// assert_eq!(scheduler.step(), 0.5);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LrFeedback<F> {
    feedback: Arc<Mutex<F>>,
    schedule: LrSchedule<AnySchedule>,
}

impl<F: Feedback> LrFeedback<F> {
    /// The rate is what the feedback says.
    #[must_use]
    pub fn new(feedback: F) -> Self {
        Self::scaling(Constant::ONE, feedback)
    }

    /// The rate is the schedule's value times what the feedback says, which then starts at 1.
    #[must_use]
    pub fn scaling(schedule: impl Into<AnySchedule>, feedback: F) -> Self {
        let feedback = Arc::new(Mutex::new(feedback));
        let schedule = LrSchedule::new(schedule.into());
        Self { feedback, schedule }
    }

    /// Takes records of runs whose schedule had other rates: see [`LrSchedule::with_any_past`].
    #[must_use]
    pub fn with_any_past(mut self) -> Self {
        self.schedule = self.schedule.with_any_past();
        self
    }

    /// What is wrong with the schedule of the record that was loaded last.
    #[must_use]
    pub fn mismatch(&self) -> Option<&Error> {
        self.schedule.mismatch()
    }

    /// Takes the metric's next value; returns what the feedback says from now on.
    pub fn observe(&self, metric: f64) -> f64 {
        self.lock().observe(metric)
    }

    /// What the feedback says now.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.lock().rate()
    }

    /// A copy of the feedback with its state, to look at or to save.
    #[must_use]
    pub fn feedback(&self) -> F
    where
        F: Clone,
    {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, F> {
        self.feedback.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Feedback + Clone + Send + 'static> LrScheduler for LrFeedback<F> {
    fn step(&mut self) -> f64 {
        let value = self.schedule.step();
        value * self.rate()
    }

    fn to_record(&self) -> LrSchedulerRecord {
        let scalars = self.lock().to_scalars();
        let mut state = LrSchedulerRecord::new();
        for (key, value) in scalars {
            state = state.with_scalar(&key, value);
        }
        self.schedule.to_record().with_record("feedback", state)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        let state = record.record("feedback");
        self.lock().load_scalars(&|key| state.scalar(key));
        self.schedule.load_record(record);
    }
}
