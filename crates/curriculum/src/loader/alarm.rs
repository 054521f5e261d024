//! Who hears of the first failure.

use std::sync::{Mutex, PoisonError};

use crate::error::CurriculumError;

type Call = Box<dyn FnOnce(&CurriculumError) + Send>;

/// Rings once.
#[derive(Default)]
pub(super) struct Alarm(Mutex<Option<Call>>);

impl Alarm {
    pub(super) fn set(&self, call: impl FnOnce(&CurriculumError) + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(call));
    }

    /// Calls who waits. No other lock may be held: the call may use the loader.
    pub(super) fn ring(&self, error: &CurriculumError) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let call = waiting.take();
        drop(waiting);
        if let Some(call) = call {
            call(error);
        }
    }
}
