//! # Failures
//!
//! The first errors of training steps, which `TrainStep::optimize` can't return.

use std::fmt;
use std::sync::Arc;

/// How much an error of a step matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The method's part of the step was not done.
    Failure,
    /// A value was not finite, and what it would have changed stays as it was.
    Skip,
    /// Everything was done but for something that is told once.
    Notice,
}

/// An error of a crate's training steps.
pub trait StepError: std::error::Error + Send + Sync + 'static {
    /// How much it matters.
    fn severity(&self) -> Severity;
}

/// What is called at the first failure.
type OnFailure<E> = Box<dyn FnOnce(&E) + Send>;

/// What is to be called once no lock is held.
pub type Call = Box<dyn FnOnce() + Send>;

/// The first failure, the first skip and the first notice of a handle's steps.
///
/// A handle that a model carries keeps one beside its state, and offers the user what this returns as `status`.
pub struct Failures<E> {
    failure: Option<Arc<E>>,
    skip: Option<Arc<E>>,
    skipped: usize,
    notice: Option<Arc<E>>,
    on_failure: Option<OnFailure<E>>,
}

impl<E> Default for Failures<E> {
    fn default() -> Self {
        Self {
            failure: None,
            skip: None,
            skipped: 0,
            notice: None,
            on_failure: None,
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for Failures<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failures")
            .field("failure", &self.failure)
            .field("skip", &self.skip)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

impl<E: StepError> Failures<E> {
    /// Keeps an error. What is returned is to be called once no lock is held: it may ask for the status.
    #[must_use]
    pub fn note(&mut self, error: E) -> Option<Call> {
        match error.severity() {
            Severity::Notice => {
                self.notice.get_or_insert_with(|| Arc::new(error));
                return None;
            }
            Severity::Skip => {
                self.skipped += 1;
                self.skip.get_or_insert_with(|| Arc::new(error));
                return None;
            }
            Severity::Failure => {}
        }
        let first = self.failure.get_or_insert_with(|| Arc::new(error)).clone();
        let call = self.on_failure.take()?;
        Some(Box::new(move || call(&first)))
    }

    /// Has `call` called once, at the first failure. `Some` if there was one: it is to be called now.
    #[must_use]
    pub fn on_failure(&mut self, call: impl FnOnce(&E) + Send + 'static) -> Option<Call> {
        let call: OnFailure<E> = Box::new(call);
        match self.failure.clone() {
            Some(failure) => Some(Box::new(move || call(&failure))),
            None => {
                self.on_failure = Some(call);
                None
            }
        }
    }

    /// Forgets all errors; what is to be called at the first failure stays.
    pub fn forget(&mut self) {
        (self.failure, self.skip, self.skipped) = (None, None, 0);
        self.notice = None;
    }

    /// That no step failed or was left out.
    ///
    /// # Errors
    /// The first failure, else the first skip.
    pub fn status(&self) -> Result<(), Arc<E>> {
        let error = self.failure.clone().or_else(|| self.skip.clone());
        error.map_or(Ok(()), Err)
    }

    /// That no step failed.
    ///
    /// # Errors
    /// The first failure.
    pub fn failure(&self) -> Result<(), Arc<E>> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// The first notice.
    #[must_use]
    pub fn notice(&self) -> Option<Arc<E>> {
        self.notice.clone()
    }

    /// Steps and decisions that were left out.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }
}
