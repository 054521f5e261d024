//! One lock, and the first error, around a training procedure that a model carries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::ModuleOptimizer;

use super::gradients::Gradients;
use crate::{PruningError, Result};

/// What takes a training step in the optimizer's place.
pub(crate) trait Stepper {
    /// One step; the model comes back whatever happens.
    fn advance<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: Gradients,
    ) -> (M, Result<()>);
}

/// A shared stepper: clones are the same one.
pub(crate) struct Handle<S>(Arc<Mutex<Inner<S>>>);

struct Inner<S> {
    stepper: S,
    failure: Option<Arc<PruningError>>,
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Handle<S> {
    pub(crate) fn new(stepper: S) -> Self {
        let failure = None;
        Self(Arc::new(Mutex::new(Inner { stepper, failure })))
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
        inner.failure = None;
        Ok(())
    }

    /// The first error of a step.
    pub(crate) fn status(&self) -> std::result::Result<(), Arc<PruningError>> {
        self.lock().failure.clone().map_or(Ok(()), Err)
    }
}

impl<S: Stepper> Handle<S> {
    /// The stepper's step; after an error the optimizer's step alone.
    pub(crate) fn advance<M: Module>(
        &self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: Gradients,
    ) -> M {
        let mut inner = self.lock();
        if inner.failure.is_some() {
            return grads.step(model, optim, lr);
        }
        let (model, result) = inner.stepper.advance(model, optim, lr, grads);
        inner.failure = result.err().map(Arc::new);
        model
    }
}
