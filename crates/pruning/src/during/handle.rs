//! One lock, and the first errors, around a training procedure that a model carries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;

use super::gradients::Gradients;
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

/// Which copy of a model, one a device as `ExecutionStrategy::ddp` makes them, takes a step first. All copies take the same
/// steps, none more than one ahead of another, because they wait for each other's gradients.
struct Replicas<K> {
    /// Steps that were counted, and how many of them each device's copy has taken.
    steps: usize,
    taken: Vec<(K, usize)>,
}

impl<K> Default for Replicas<K> {
    fn default() -> Self {
        Self {
            steps: 0,
            taken: Vec::new(),
        }
    }
}

impl<K: PartialEq> Replicas<K> {
    /// Whether this device's copy is the first to take its next step. One that lags by more than a step has joined, or
    /// training has moved to it: it is the first.
    fn leads(&mut self, device: K) -> bool {
        let place = self.taken.iter().position(|(known, _)| *known == device);
        let place = place.unwrap_or_else(|| {
            self.taken.push((device, 0));
            self.taken.len() - 1
        });
        let taken = &mut self.taken[place].1;
        let leads = *taken + 1 != self.steps;
        if leads {
            self.steps += 1;
        }
        *taken = self.steps;
        leads
    }
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
    /// The first error that is no skip.
    failure: Option<Arc<PruningError>>,
    /// The first value that was not finite, and how many steps or decisions were left out.
    skip: Option<Arc<PruningError>>,
    skipped: usize,
    /// Why the optimizer's state is not cleared.
    notice: Option<Arc<PruningError>>,
    on_failure: Option<OnFailure>,
    replicas: Replicas<Device>,
}

/// What is called at the first failure.
type OnFailure = Box<dyn FnOnce(&PruningError) + Send>;

impl<S> Inner<S> {
    /// Keeps an error, and returns what is to be called without the lock.
    #[must_use]
    fn note(&mut self, error: PruningError) -> Option<(OnFailure, Arc<PruningError>)> {
        if matches!(error, PruningError::StateType { .. }) {
            self.notice.get_or_insert_with(|| Arc::new(error));
            return None;
        }
        if error.is_skip() {
            self.skipped += 1;
            self.skip.get_or_insert_with(|| Arc::new(error));
            return None;
        }
        let first = self.failure.get_or_insert_with(|| Arc::new(error)).clone();
        self.on_failure.take().map(|call| (call, first))
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
            notice: None,
            on_failure: None,
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
        (inner.failure, inner.skip, inner.skipped) = (None, None, 0);
        inner.notice = None;
        inner.replicas = Replicas::default();
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

    /// Why the optimizer's state is not cleared at decisions, if it is not.
    pub(crate) fn notice(&self) -> Option<Arc<PruningError>> {
        self.lock().notice.clone()
    }

    /// Has `call` called once: at the first failure, or now if there was one.
    pub(crate) fn on_failure(&self, call: impl FnOnce(&PruningError) + Send + 'static) {
        let mut inner = self.lock();
        match inner.failure.clone() {
            Some(failure) => {
                drop(inner);
                call(&failure);
            }
            None => inner.on_failure = Some(Box::new(call)),
        }
    }

    /// Steps and decisions that were left out because a value was not finite.
    pub(crate) fn skipped(&self) -> usize {
        self.lock().skipped
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
            let call = inner.note(error);
            drop(inner);
            // Not under the lock: what is called may ask for the status.
            if let Some((call, failure)) = call {
                call(&failure);
            }
        }
        model
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(calls: &[u8]) -> Vec<bool> {
        let mut replicas = Replicas::default();
        calls.iter().map(|device| replicas.leads(*device)).collect()
    }

    #[test]
    fn a_step_is_counted_once_however_many_devices_take_it() {
        assert_eq!(led(&[0, 0, 0]), [true; 3]);
        assert_eq!(led(&[0, 1, 0, 1]), [true, false, true, false]);
        // Another device may be the first of the next step.
        assert_eq!(
            led(&[0, 1, 1, 0, 0, 1]),
            [true, false, true, false, true, false]
        );
        let three = led(&[0, 1, 2, 2, 0, 1, 1, 0, 2]);
        assert_eq!(three.iter().filter(|leads| **leads).count(), 3);
        assert_eq!(three.iter().step_by(3).filter(|leads| **leads).count(), 3);
    }

    #[test]
    fn training_that_moves_to_another_device_goes_on_counting() {
        assert_eq!(led(&[0, 0, 0, 1, 1]), [true; 5]);
    }
}
