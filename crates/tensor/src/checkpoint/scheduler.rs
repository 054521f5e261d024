//! Burn's learning-rate schedulers as parts.

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};

use super::burn_record::{Record, RecordError, own};
use super::part::{Part, PartError};
use super::unit::{Checkpoint, Order};

const KIND: &str = "scheduler 1";

pub(super) const MODULE_KIND: &str = "module-scheduler 1";

/// What the record is of, in messages.
const WHAT: &str = "a schedule";

impl<'a> Checkpoint<'a> {
    /// The schedule of the learning rate, as the part `scheduler`: its position.
    #[must_use]
    pub fn with_scheduler<S: LrScheduler>(self, scheduler: &'a mut S) -> Self {
        self.add(Order::Scheduler, "scheduler", Scheduler(scheduler))
    }

    /// The schedules of groups of parameters, as the part `scheduler`.
    #[must_use]
    pub fn with_module_scheduler(self, scheduler: &'a mut ModuleLrScheduler) -> Self {
        self.add(Order::Scheduler, "scheduler", scheduler)
    }
}

/// A scheduler as a part.
struct Scheduler<'a, S>(&'a mut S);

impl<S: LrScheduler> Part for Scheduler<'_, S> {
    fn kind(&self) -> String {
        KIND.to_owned()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        Ok(self.0.to_record().into_bytes()?.to_vec())
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Record::read(WHAT, bytes)?;
        let before = self.0.to_record();
        self.0
            .load_record(LrSchedulerRecord::from_bytes(own(bytes))?);
        let checked = is_all_of(&saved, self.0.to_record());
        if checked.is_err() {
            self.0.load_record(before);
        }
        checked
    }
}

impl Part for ModuleLrScheduler {
    fn kind(&self) -> String {
        MODULE_KIND.to_owned()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        Ok(self.to_record().into_bytes()?.to_vec())
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Record::read(WHAT, bytes)?;
        let loaded = self
            .clone()
            .load_record(LrSchedulerRecord::from_bytes(own(bytes))?);
        is_all_of(&saved, loaded.to_record())?;
        *self = loaded;
        Ok(())
    }
}

/// Whether what was restored is what was saved: Burn's schedulers leave out what they don't know.
fn is_all_of(saved: &Record, back: LrSchedulerRecord) -> Result<(), PartError> {
    let back = Record::read(WHAT, &back.into_bytes()?)?;
    let difference = match saved.first_difference(&back)? {
        None => back.first_difference(saved)?,
        found => found,
    };
    let what = "schedule";
    difference.map_or(Ok(()), |name| {
        Err(RecordError::Differs { what, name }.into())
    })
}
