//! One lock, and the first errors, around a training procedure that a model carries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;

use regimen_tensor::training::{Failures, Gradients, Replicas};

use crate::{PruningError, Result};

/// What takes a training step in the optimizer's place.
pub(crate) trait Stepper {
    /// Counts a step that is left out, and returns its number.
    fn leave_out(&mut self) -> usize;

    /// The step that was counted last, on another device's copy of the model, with the same gradients.
    fn follow<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: Gradients,
    ) -> (M, Result<()>) {
        (grads.step(model, optim, lr), Err(PruningError::Replica))
    }

    /// One step with finite gradients; the model comes back whatever happens.
    fn advance<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: Gradients,
    ) -> (M, Result<()>);
}

/// One step, left out if `broken` names a gradient that is not finite: model, optimizer and masks then stay as they were.
pub(crate) fn guarded<S: Stepper, M: Module>(
    stepper: &mut S,
    broken: Option<String>,
    model: M,
    optim: &mut ModuleOptimizer,
    lr: ModuleLearningRate,
    grads: Gradients,
) -> (M, Result<()>) {
    match broken {
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
    failures: Failures<PruningError>,
    replicas: Replicas<Device>,
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
            failures: Failures::default(),
            replicas: Replicas::default(),
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
        inner.failures.forget();
        inner.replicas = Replicas::default();
        Ok(())
    }

    /// The first failure of a step, else the first skip.
    pub(crate) fn status(&self) -> std::result::Result<(), Arc<PruningError>> {
        self.lock().failures.status()
    }

    /// The first error of a step that was not skipped.
    pub(crate) fn failure(&self) -> std::result::Result<(), Arc<PruningError>> {
        self.lock().failures.failure()
    }

    /// Why the optimizer's state is not cleared at decisions, if it is not.
    pub(crate) fn notice(&self) -> Option<Arc<PruningError>> {
        self.lock().failures.notice()
    }

    /// Has `call` called once: at the first failure, or now if there was one.
    pub(crate) fn on_failure(&self, call: impl FnOnce(&PruningError) + Send + 'static) {
        let now = self.lock().failures.on_failure(call);
        if let Some(call) = now {
            call();
        }
    }

    /// Steps and decisions that were left out because a value was not finite.
    pub(crate) fn skipped(&self) -> usize {
        self.lock().failures.skipped()
    }
}

impl<S: Stepper> Handle<S> {
    /// The stepper's step, guarded, counted once however many devices have a copy of the model; the first errors stay.
    pub(crate) fn advance<M: Module>(
        &self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: Gradients,
    ) -> M {
        // Reads from the device: not under the lock, for which other devices' copies may wait.
        let broken = grads.not_finite(&model);
        let device = model.devices().into_iter().next().unwrap_or_default();
        let mut inner = self.lock();
        let leads = inner.replicas.leads(device);
        let (model, result) = match broken {
            // The first copy has noted it.
            Some(_) if !leads => (model, Ok(())),
            None if !leads => inner.stepper.follow(model, optim, lr, grads),
            broken => guarded(&mut inner.stepper, broken, model, optim, lr, grads),
        };
        if let Err(error) = result {
            tracing::warn!(%error, "step of sparse training");
            let call = inner.failures.note(error);
            drop(inner);
            // Not under the lock: what is called may ask for the status.
            if let Some(call) = call {
                call();
            }
        }
        model
    }
}
