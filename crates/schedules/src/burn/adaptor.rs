//! # LrSchedule
//!
//! Any schedule as Burn's learning-rate scheduler.
//!
//! Source: `burn::lr_scheduler::LrScheduler`, which is stepped before each update.

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use regimen_tensor::checkpoint::{Part, PartError, json};
use regimen_tensor::floats;
use serde::{Deserialize, Serialize};

use super::failure::OnFailure;
use crate::error::{Error, Result, check};
use crate::schedule::Schedule;
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
/// position, [`mismatch`](Self::mismatch) holds the error, the error is logged with `tracing`, and what
/// [`on_failure`](Self::on_failure) was given is called with it. What is the same up to the
/// position and differs later (a longer stable phase, a branch that anneals) is no mismatch, and
/// [`with_any_past`](Self::with_any_past) allows any. A record of another scheduler, without a position, is a mismatch and starts
/// at step 0.
///
/// Positions end at the largest number of the machine's word and stay there: no step starts the schedule again.
///
/// As a [`Part`] of a checkpoint it keeps the same as in Burn's record, and refuses what `resume` refuses.
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
    failure: OnFailure,
}

/// The rates of a run that a checkpoint keeps: none of a run that has not begun.
type Rates = [Option<f64>; 3];

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
            failure: OnFailure::default(),
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

    /// Calls a function with each error that a record brings, where Burn lets a scheduler refuse none. Clones share it, those that
    /// were made before too.
    ///
    /// With Burn's `Interrupter` the training stops, instead of going on at the rates of another schedule:
    ///
    /// ```
    /// use burn::lr_scheduler::LrScheduler;
    /// use burn::train::Interrupter;
    /// use regimen_schedules::{Linear, LrSchedule};
    ///
    /// let interrupter = Interrupter::new(); // also given to the training: `.with_interrupter(interrupter.clone())`
    /// let stops = interrupter.clone();
    /// let mut scheduler = LrSchedule::new(Linear::new(1.0, 8)?)
    ///     .on_failure(move |error| stops.stop(Some(&error.to_string())));
    ///
    /// let mut other = LrSchedule::new(Linear::new(1.0, 4)?);
    /// other.step();
    /// other.step();
    /// scheduler.load_record(other.to_record());
    /// assert!(interrupter.should_stop());
    /// # Ok::<(), regimen_schedules::Error>(())
    /// ```
    #[must_use]
    pub fn on_failure(self, call: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.failure.set(call);
        self
    }

    pub(super) fn failure(&self) -> &OnFailure {
        &self.failure
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

    /// What is wrong with the rates of a run up to a position.
    fn differs(&self, next: usize, rates: Rates) -> Option<Error> {
        let mut mismatch = None;
        for ((_, step), recorded) in Self::kept(next).into_iter().zip(rates) {
            let found = self.schedule.at(step);
            let recorded = recorded.unwrap_or(found);
            let same = found == recorded || found.is_nan() && recorded.is_nan();
            // Another build may round otherwise.
            let near = 1e-9 * recorded.abs().max(f64::MIN_POSITIVE);
            let close = (found - recorded).abs() <= near;
            if !(same || close) {
                mismatch = Some(Error::OtherSchedule {
                    step,
                    recorded,
                    found,
                });
            }
        }
        mismatch.filter(|_| !self.any_past)
    }

    pub(super) fn load(&mut self, record: &LrSchedulerRecord) {
        let read = |key: &str| {
            let value = record.scalar::<u64>(key);
            value.map(|value| usize::try_from(value).unwrap_or(usize::MAX))
        };
        let within = read("within").unwrap_or(0);
        self.within = within.min(self.calls_per_update - 1);
        let Some(next) = read("step") else {
            self.next = 0;
            self.mismatch = Some(Error::OutOfRange {
                field: "record",
                value: "without a step".into(),
                allowed: "that of an `LrSchedule`",
            });
            return;
        };
        self.next = next;
        let rates = Self::kept(next).map(|(key, _)| record.scalar::<f64>(key));
        self.mismatch = self.differs(next, rates);
    }

    pub(super) fn position_record(&self) -> PositionRecord {
        let kept = Self::kept(self.next).map(|(_, step)| self.schedule.at(step));
        let begun = self.next > 0;
        PositionRecord {
            step: self.next,
            within: self.within,
            rates: if begun { kept.to_vec() } else { Vec::new() },
        }
    }

    /// The position of a record, if this schedule may go on from it.
    pub(super) fn position_of(&self, record: &PositionRecord) -> Result<(usize, usize)> {
        let rates: Rates = std::array::from_fn(|place| record.rates.get(place).copied());
        let count = record.rates.len();
        let expected = if record.step > 0 { 3 } else { 0 };
        let allowed = "three of a run that has begun, else none";
        check("rates", count as f64, count == expected, allowed)?;
        let inside = record.within < self.calls_per_update;
        let allowed = "fewer than the calls of an update";
        check("within", record.within as f64, inside, allowed)?;
        match self.differs(record.step, rates) {
            Some(error) => Err(error),
            None => Ok((record.step, record.within)),
        }
    }

    pub(super) fn set_position(&mut self, (next, within): (usize, usize)) {
        (self.next, self.within, self.mismatch) = (next, within, None);
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
            self.next = self.next.saturating_add(1);
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
            self.failure.tell(mismatch);
        }
    }
}

/// Where a schedule stands, in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PositionRecord {
    step: usize,
    within: usize,
    #[serde(with = "floats")]
    rates: Vec<f64>,
}

impl<S: Schedule> Part for LrSchedule<S> {
    fn kind(&self) -> String {
        "lr-schedule 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(&self.position_record())
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let position = self.position_of(&json::load(bytes)?)?;
        self.set_position(position);
        Ok(())
    }
}
