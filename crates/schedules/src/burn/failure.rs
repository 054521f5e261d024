//! Who hears of an error where Burn's trait has no way to return it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;

/// A function that takes an error.
type Call = Arc<dyn Fn(&Error) + Send + Sync>;

/// What is called with an error; clones share it.
#[derive(Clone, Default)]
pub(super) struct OnFailure(Arc<Mutex<Option<Call>>>);

impl fmt::Debug for OnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.get().is_some();
        f.write_str(if set { "OnFailure(set)" } else { "OnFailure" })
    }
}

impl OnFailure {
    pub(super) fn set(&self, call: impl Fn(&Error) + Send + Sync + 'static) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(Arc::new(call));
    }

    /// Logs the error and hands it on. The lock is not held meanwhile.
    pub(super) fn tell(&self, error: &Error) {
        tracing::error!("learning rate: {error}");
        if let Some(call) = self.get() {
            call(error);
        }
    }

    fn get(&self) -> Option<Call> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }
}
