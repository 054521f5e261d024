//! One lock, and the first errors, around a training procedure that a model carries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::ModuleOptimizer;

use super::gradients::Gradients;
use crate::{PruningError, Result};

/// What takes a training step in the optimizer's place.
pub(crate) trait Stepper {
    /// Counts a step that is left out, and returns its number.
    fn leave_out(&mut self) -> usize;

    /// One step with finite gradients; the model comes back whatever happens.
    fn advance<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: Gradients,
    ) -> (M, Result<()>);
}

/// One step, left out if a gradient is not finite: model, optimizer and masks then stay as they were.
pub(crate) fn guarded<S: Stepper, M: Module>(
    stepper: &mut S,
    model: M,
    optim: &mut ModuleOptimizer,
    lr: ModuleLearningRate,
    grads: Gradients,
) -> (M, Result<()>) {
    match grads.not_finite(&model) {
        Some(path) => {
            let step = stepper.leave_out();
            (model, Err(PruningError::Gradient { step, path }))
        }
        None => stepper.advance(model, optim, lr, grads),
    }
}

/// A shared stepper: clones are the same one.
pub(crate) struct Handle<S>(Arc<Mutex<Inner<S>>>);

struct Inner<S> {
    stepper: S,
    /// The first error that is no skip.
    failure: Option<Arc<PruningError>>,
    /// The first value that was not finite, and how many steps or decisions were left out.
    skip: Option<Arc<PruningError>>,
    skipped: usize,
}

impl<S> Inner<S> {
    fn note(&mut self, error: PruningError) {
        let first = if error.is_skip() {
            self.skipped += 1;
            &mut self.skip
        } else {
            &mut self.failure
        };
        first.get_or_insert_with(|| Arc::new(error));
    }
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Handle<S> {
    pub(crate) fn new(stepper: S) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            stepper,
            failure: None,
            skip: None,
            skipped: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the stepper or changes it.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut S) -> T) -> T {
        f(&mut self.lock().stepper)
    }

    /// As [`with`](Self::with), and forgets an earlier failure if it succeeds.
    pub(crate) fn restore(&self, f: impl FnOnce(&mut S) -> Result<()>) -> Result<()> {
        let mut inner = self.lock();
        f(&mut inner.stepper)?;
        (inner.failure, inner.skip, inner.skipped) = (None, None, 0);
        Ok(())
    }

    /// The first failure of a step, else the first skip.
    pub(crate) fn status(&self) -> std::result::Result<(), Arc<PruningError>> {
        let inner = self.lock();
        let error = inner.failure.clone().or_else(|| inner.skip.clone());
        error.map_or(Ok(()), Err)
    }

    /// The first error of a step that was not skipped.
    pub(crate) fn failure(&self) -> std::result::Result<(), Arc<PruningError>> {
        self.lock().failure.clone().map_or(Ok(()), Err)
    }

    /// Steps and decisions that were left out because a value was not finite.
    pub(crate) fn skipped(&self) -> usize {
        self.lock().skipped
    }
}

impl<S: Stepper> Handle<S> {
    /// The stepper's step, guarded; the first errors stay.
    pub(crate) fn advance<M: Module>(
        &self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: Gradients,
    ) -> M {
        let mut inner = self.lock();
        let (model, result) = guarded(&mut inner.stepper, model, optim, lr, grads);
        if let Err(error) = result {
            tracing::warn!(%error, "step of sparse training");
            inner.note(error);
        }
        model
    }
}
