//! # LrFeedback
//!
//! Any rate that follows a metric as Burn's learning-rate scheduler.
//!
//! Source: `burn::lr_scheduler::LrScheduler`, whose clones share what is observed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use regimen_tensor::checkpoint::{Part, PartError, json};
use regimen_tensor::floats;
use serde::{Deserialize, Serialize};

use super::adaptor::{LrSchedule, PositionRecord};
use crate::compose::AnySchedule;
use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::maths::bounded;
use crate::values::Constant;

/// A rate that follows a metric, as an [`LrScheduler`].
///
/// Clones share the rate's state, which is host numbers: one goes into the `Learner`, another stays where the metric is
/// known (in the model with `#[module(skip)]`, or outside) and calls [`observe`](Self::observe), once for each value that
/// counts: with gradient accumulation or on several devices that is a mean over all parts of an update, not a call for each.
/// The record holds the state, so a run that is resumed goes on with its rate, its best value and its counts. Burn gives a
/// scheduler no way to refuse a record: one of another scheduler, or with a number that no run can have, leaves this state as it is,
/// and [`mismatch`](Self::mismatch) and [`on_failure`](Self::on_failure) tell it.
///
/// As a [`Part`] of a checkpoint it keeps the position and the shared state.
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
    refused: Option<Error>,
}

impl<F: Feedback> LrFeedback<F> {
    /// The rate is what the feedback says.
    #[must_use]
    pub fn new(feedback: F) -> Self {
        Self::scaling(Constant::ONE, feedback)
    }

    /// The rate is the schedule's value times what the feedback says, which then starts at 1, within the range of finite numbers.
    #[must_use]
    pub fn scaling(schedule: impl Into<AnySchedule>, feedback: F) -> Self {
        let feedback = Arc::new(Mutex::new(feedback));
        let schedule = LrSchedule::new(schedule.into());
        Self {
            feedback,
            schedule,
            refused: None,
        }
    }

    /// Takes records of runs whose schedule had other rates: see [`LrSchedule::with_any_past`].
    #[must_use]
    pub fn with_any_past(mut self) -> Self {
        self.schedule = self.schedule.with_any_past();
        self
    }

    /// Calls a function with each error that a record brings, as [`LrSchedule::on_failure`]: to stop the training with Burn's
    /// `Interrupter`, `.on_failure(move |error| interrupter.stop(Some(&error.to_string())))`. Clones share it.
    #[must_use]
    pub fn on_failure(mut self, call: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.schedule = self.schedule.on_failure(call);
        self
    }

    /// What is wrong with the record that was loaded last: its state, or its schedule.
    #[must_use]
    pub fn mismatch(&self) -> Option<&Error> {
        self.refused.as_ref().or(self.schedule.mismatch())
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
        bounded(value * self.rate())
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
        let loaded = self.lock().load_scalars(&|key| state.scalar(key));
        self.refused = loaded.err();
        self.schedule.load(&record);
        if let Some(mismatch) = self.mismatch() {
            self.schedule.failure().tell(mismatch);
        }
    }
}

/// Position and state, in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    position: PositionRecord,
    names: Vec<String>,
    #[serde(with = "floats")]
    numbers: Vec<f64>,
}

impl<F: Feedback> Part for LrFeedback<F> {
    fn kind(&self) -> String {
        "lr-feedback 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let (names, numbers) = self.lock().to_scalars().into_iter().unzip();
        json::save(&Saved {
            position: self.schedule.position_record(),
            names,
            numbers,
        })
    }

    /// All clones have the state then. The schedule must have the same rates so far.
    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved: Saved = json::load(bytes)?;
        let position = self.schedule.position_of(&saved.position)?;
        let numbers: BTreeMap<&str, f64> = saved
            .names
            .iter()
            .map(String::as_str)
            .zip(saved.numbers)
            .collect();
        self.lock()
            .load_scalars(&|name| numbers.get(name).copied())?;
        self.schedule.set_position(position);
        self.refused = None;
        Ok(())
    }
}
