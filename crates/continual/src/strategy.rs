//! What a user holds of a method, and where it enters a training run.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::{Device, FloatDType, Tensor};
use regimen_tensor::ParamVector;
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::training::{Failures, Gradients, Replicas, Severity, StepError};

use crate::classifier::Classifier;
use crate::examples::Examples;
use crate::scenario::Task;
use crate::{ContinualError, Result};

/// A method of continual learning, as a training run uses it.
///
/// A method implements what it needs; all else does nothing. Every implementation is a handle: clones share their state, so
/// that one stays outside of the model, and a field of the model marked `#[module(skip)]` carries another.
///
/// | where | call |
/// |---|---|
/// | before a task | [`before_task`](Self::before_task) |
/// | `TrainStep::step` | [`penalty`](Self::penalty) added to the loss, or [`loss`](Self::loss) in its place |
/// | `TrainStep::optimize` | [`optimize`](Self::optimize) |
/// | after a task | [`after_task`](Self::after_task) |
/// | evaluation | [`logits`](Self::logits) |
///
/// `penalty` and `loss` are called once a micro-batch, `optimize` once an optimizer step. Gradients of micro-batches are
/// summed, as Burn's accumulator does it.
///
/// A step with a gradient that is NaN or infinite is left out: weights and optimizer stay as they were, and
/// [`status`](Self::status) tells.
pub trait Strategy<M: Classifier>: Send + Sync {
    /// Errors and the count of steps.
    fn steps(&self) -> &Steps;

    /// What the method adds to the loss of a micro-batch, `[1]`, in f32: zero where it adds nothing.
    ///
    /// # Errors
    /// If the method's state is of another model, or the device fails.
    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let _ = model;
        Ok(zero(&batch.device()))
    }

    /// The whole loss of a micro-batch, `[1]`, in f32: the mean cross-entropy of its labels and the
    /// [`penalty`](Self::penalty), unless the method has one of its own.
    ///
    /// # Errors
    /// As for [`penalty`](Self::penalty).
    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        Ok(plain_loss(model, batch) + self.penalty(model, batch)?)
    }

    /// Changes the gradients before the optimizer's step. On an error they stay as they were.
    ///
    /// # Errors
    /// If the method's state is of another model, or the device fails.
    fn before_update(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        let _ = (model, grads);
        Ok(())
    }

    /// Changes the weights after the optimizer's step; the model comes back whatever happens.
    ///
    /// # Errors
    /// The second value: if the method's state is of another model, or the device fails.
    fn after_update(&self, model: M) -> (M, Result<()>) {
        (model, Ok(()))
    }

    /// As [`after_update`](Self::after_update), with the optimizer whose step it was: for methods that draw weights anew and clear their moments.
    ///
    /// # Errors
    /// As for [`after_update`](Self::after_update).
    fn after_step(&self, model: M, optim: &mut ModuleOptimizer) -> (M, Result<()>) {
        let _ = optim;
        self.after_update(model)
    }

    /// The step is left out: what was gathered for it since the last one is dropped.
    fn leave_out(&self) {}

    /// Whether each copy of a model that trains on a device of its own must see the same change of gradients or weights: such
    /// a method refuses a second copy ([`ContinualError::Replica`]).
    fn changes_updates(&self) -> bool {
        false
    }

    /// A task begins.
    ///
    /// # Errors
    /// If the task does not fit what the method knows.
    fn before_task(&self, model: M, task: &Task) -> Result<M> {
        let _ = task;
        Ok(model)
    }

    /// A task has ended; `data` is its training data, once.
    ///
    /// # Errors
    /// If the data can't be read, or give values that are not finite.
    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        let _ = data;
        Ok(model)
    }

    /// The scores by which the method classifies, `[batch, classes]`: the model's logits, unless it has a rule of its own.
    ///
    /// # Errors
    /// If the method knows no class yet.
    fn logits(&self, model: &M, batch: &M::Batch) -> Result<Tensor<2>> {
        Ok(model.logits(batch))
    }

    /// The optimizer's step with the method's part before and after it: the one call of `TrainStep::optimize`.
    ///
    /// That can return no error: the first one stays for [`status`](Self::status). Where the method's part fails, the
    /// optimizer's step is taken alone.
    #[must_use]
    fn optimize(
        &self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: impl Into<ModuleLearningRate>,
        grads: GradientsParams,
    ) -> M
    where
        Self: Sized,
    {
        self.update(model, optim, lr.into(), grads.into())
    }

    /// As [`optimize`](Self::optimize) for `TrainStep::optimize_multi`: gradients of several devices, which Burn's optimizer
    /// sums.
    #[must_use]
    fn optimize_multi(
        &self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: impl Into<ModuleLearningRate>,
        grads: MultiGradientsParams,
    ) -> M
    where
        Self: Sized,
    {
        self.update(model, optim, lr.into(), grads.into())
    }

    /// [`optimize`](Self::optimize) for strategies behind `dyn`.
    #[must_use]
    fn update(
        &self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        mut grads: Gradients,
    ) -> M {
        let steps = self.steps();
        let broken = grads.not_finite(&model);
        let device = model.devices().into_iter().next().unwrap_or_default();
        let (step, leads) = steps.count(device);
        if let Some(path) = broken {
            if leads {
                self.leave_out();
                steps.note(ContinualError::Gradient { step, path });
            }
            return model;
        }
        if !leads {
            if self.changes_updates() {
                steps.note(ContinualError::Replica);
            }
            return grads.step(model, optim, lr);
        }
        if let Err(error) = self.before_update(&model, &mut grads) {
            let skip = error.severity() == Severity::Skip;
            steps.note(error);
            if skip {
                self.leave_out();
                return model;
            }
        }
        let model = grads.step(model, optim, lr);
        let (model, after) = self.after_step(model, optim);
        if let Err(error) = after {
            steps.note(error);
        }
        model
    }

    /// That no step failed or was left out so far.
    ///
    /// # Errors
    /// The first failure, else the first step that was left out.
    fn status(&self) -> std::result::Result<(), Arc<ContinualError>> {
        self.steps().lock().failures.status()
    }

    /// The first thing that is told once and stops nothing: moments in half precision that could not be cleared.
    fn notice(&self) -> Option<Arc<ContinualError>> {
        self.steps().lock().failures.notice()
    }

    /// Steps that were left out because a value was not finite.
    fn skipped(&self) -> usize {
        self.steps().lock().failures.skipped()
    }

    /// Has `call` called once, with the first step that fails: at that step, or now if there was one.
    ///
    /// ```
    /// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
    /// use burn::train::Interrupter;
    /// use regimen_continual::{Classifier, EwcConfig, Strategy};
    /// # #[derive(Module, Debug)]
    /// # struct Model { head: Linear }
    /// # impl Classifier for Model {
    /// #     type Batch = (Tensor<2>, Tensor<1, Int>);
    /// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(x.clone()) }
    /// # }
    ///
    /// # let model = Model { head: LinearConfig::new(8, 4).init(&Device::flex().autodiff()) };
    /// # let ewc = EwcConfig::new(100.0).init(&model)?;
    /// let interrupter = Interrupter::new(); // `SupervisedTraining::with_interrupter(interrupter.clone())`
    /// Strategy::<Model>::on_failure(&ewc, move |error| interrupter.stop(Some(&error.to_string())));
    /// # Ok::<(), regimen_continual::ContinualError>(())
    /// ```
    fn on_failure(&self, call: impl FnOnce(&ContinualError) + Send + 'static)
    where
        Self: Sized,
    {
        let now = self.steps().lock().failures.on_failure(call);
        if let Some(call) = now {
            call();
        }
    }
}

/// The mean cross-entropy of a batch's labels, `[1]`, in f32.
pub fn plain_loss<M: Classifier>(model: &M, batch: &M::Batch) -> Tensor<1> {
    let logits = model.logits(batch).cast(FloatDType::F32);
    cross_entropy(logits, batch.labels()).mean()
}

pub(crate) fn zero(device: &Device) -> Tensor<1> {
    Tensor::zeros([1], (device, FloatDType::F32.into()))
}

/// The parameters of a model, all zero, in f32: what a method's vectors are like. They share one number.
pub(crate) fn space<M: Module>(model: &M) -> ParamVector {
    ParamVector::of(model).map(|_, values| {
        let zero = Tensor::<1>::zeros([1], (&values.device(), FloatDType::F32.into()));
        zero.expand(values.shape())
    })
}

/// The count of a handle's steps, and the first errors of them.
#[derive(Clone, Default)]
pub struct Steps(Arc<Mutex<Counted>>);

#[derive(Default)]
struct Counted {
    step: usize,
    failures: Failures<ContinualError>,
    replicas: Replicas<Device>,
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Steps({})", self.taken())
    }
}

impl Steps {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Optimizer steps so far, those that were left out included.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.lock().step
    }

    /// The number of this step, the first is 1, and whether this device's copy of the model is the first to take it.
    fn count(&self, device: Device) -> (usize, bool) {
        let mut counted = self.lock();
        let leads = counted.replicas.leads(device);
        counted.step += usize::from(leads);
        (counted.step, leads)
    }

    /// Keeps an error.
    pub(crate) fn note(&self, error: ContinualError) {
        tracing::warn!(%error, "step of continual learning");
        let call = self.lock().failures.note(error);
        if let Some(call) = call {
            call();
        }
    }

    /// A state was restored, at this step: earlier errors are forgotten.
    pub(crate) fn restore(&self, step: usize) {
        let mut counted = self.lock();
        counted.step = step;
        counted.failures.forget();
        counted.replicas = Replicas::default();
    }
}

/// A method's state behind one lock, with its steps: clones share both.
pub(crate) struct Shared<S> {
    state: Arc<Mutex<S>>,
    pub(crate) steps: Steps,
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            steps: self.steps.clone(),
        }
    }
}

impl<S> Shared<S> {
    pub(crate) fn new(state: S) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
            steps: Steps::default(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
