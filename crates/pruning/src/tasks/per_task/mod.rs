//! # PerTask
//!
//! One network for a sequence of tasks: each finds its own sparse topology over shared weights, which freeze once used.
//!
//! Source: Yildirim et al., "Continual Learning with Dynamic Sparse Training: Exploring Algorithms for Effective Model
//! Updates" (arXiv 2308.14831).

mod config;
mod held;
mod run;
mod state;

use std::fmt;
use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};

use crate::during::handle::Handle;
use crate::error::{fraction, positive};
use crate::{Masks, PruningError, Result};
pub use config::PerTaskConfig;
use regimen_tensor::training::Gradients;
use run::Run;
pub use state::{PerTaskState, Topology};

impl PerTaskConfig {
    /// Topologies over all prunable weights, those of [`Masks::dense`].
    ///
    /// # Errors
    /// Names the field that is out of range; or if there is no such weight.
    pub fn init<M: Module>(&self, model: &M) -> Result<PerTask> {
        self.init_on(model, Masks::dense(model)?)
    }

    /// Topologies over the weights that these masks of `model` cover; all else is kept per task.
    ///
    /// # Errors
    /// Names the field that is out of range; or if the masks are of another model.
    pub fn init_on<M: Module>(&self, model: &M, masks: Masks) -> Result<PerTask> {
        fraction("density", self.density, true)?;
        if self.density == 0.0 {
            return Err(PruningError::range("density", 0.0, "above 0, to 1"));
        }
        fraction("until", self.until, true)?;
        fraction("swap_start", self.swap_start, false)?;
        fraction("swap_end", self.swap_end, false)?;
        positive("update_every", self.update_every)?;
        let state = PerTaskState::new(model, masks, self.seed)?;
        Ok(PerTask(Handle::new(Run::new(self.clone(), state))))
    }
}

/// A shared handle on a sequence of tasks; a model carries it with `#[module(skip)]`, as a
/// [`Pruner`](crate::Pruner).
///
/// ```
/// # use burn::{nn::LinearConfig, optim::{AdamConfig, GradientsParams}, tensor::{Device, Tensor}};
/// use regimen_pruning::{GrowthRule, PerTaskConfig};
///
/// # let device = Device::default().autodiff();
/// # let model = LinearConfig::new(16, 4).init(&device);
/// let tasks = PerTaskConfig::new(0.25).with_growth(GrowthRule::Gradient).init(&model)?;
/// let mut model = model;
/// for task in 0..2 {
///     let steps = 10;
///     model = tasks.begin(model, steps)?;
///     let mut optim = AdamConfig::new().init(); // a new one for each task
///     for _ in 0..steps {
///         let loss = (model.forward(Tensor::<2>::ones([8, 16], &device)) - task as f32).square().mean();
///         let grads = GradientsParams::from_grads(loss.backward(), &model);
///         model = tasks.optimize(model, &mut optim, 0.01, grads); // in a `TrainStep`, the same call
///     }
///     tasks.finish(&model)?;
/// }
/// let first = tasks.model_of(0, model)?; // the model as task 0 left it
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[derive(Clone)]
pub struct PerTask(Handle<Run>);

impl fmt::Debug for PerTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finished = self.0.with(|run| run.state().tasks().len());
        write!(f, "PerTask({finished} finished)")
    }
}

impl PerTask {
    /// Starts the next task, of `steps` training steps: draws its mask and returns the model with the stored
    /// weights under it, everything without a mask at its initial value. Take a new optimizer for it. Its running
    /// statistics are its own: clones of the model that was given keep theirs.
    ///
    /// # Errors
    /// If a task is under way, `steps` is 0 or the model is another one.
    pub fn begin<M: Module>(&self, model: M, steps: usize) -> Result<M> {
        self.0.with(|run| run.begin(model, steps))
    }

    /// One training step: the optimizer's, with the gradients of used weights zeroed before and their bits put
    /// back after, the mask, and at an update the new topology. A position that is grown again gets its stored
    /// value if an earlier task uses it, and starts at 0 if it is free. A step
    /// with a gradient that is not finite is left out; an update with a weight that is not leaves the topology as it was; a
    /// model that is not the masks' own takes the optimizer's step alone.
    #[must_use]
    pub fn optimize<M: Module>(
        &self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: impl Into<ModuleLearningRate>,
        grads: GradientsParams,
    ) -> M {
        self.0
            .advance(model, optim, lr.into(), Gradients::One(grads))
    }

    /// As [`optimize`](Self::optimize) for `TrainStep::optimize_multi`.
    #[must_use]
    pub fn optimize_multi<M: Module>(
        &self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: impl Into<ModuleLearningRate>,
        grads: MultiGradientsParams,
    ) -> M {
        self.0
            .advance(model, optim, lr.into(), Gradients::Many(grads))
    }

    /// Remembers the model and its topology as the best of the task so far: [`finish`](Self::finish) takes the
    /// last that was remembered. The paper remembers the epoch of best training accuracy.
    ///
    /// # Errors
    /// If no task is under way, a value of the model is not finite or the model is another one.
    pub fn remember<M: Module>(&self, model: &M) -> Result<()> {
        self.0.with(|run| {
            run.bind(model)?;
            run.remember(model)
        })
    }

    /// Ends the task with this model, or the remembered one: its weights go to the store, its mask to the used
    /// ones, and its unmasked parameters are kept for it.
    ///
    /// # Errors
    /// If no task is under way, a step failed (a step that was left out did not), a value of the model is not finite, or the
    /// model is another one.
    pub fn finish<M: Module>(&self, model: &M) -> Result<()> {
        self.0.failure().map_err(PruningError::Failed)?;
        self.0.with(|run| {
            run.bind(model)?;
            run.finish(model)
        })
    }

    /// The model as finished task `task` left it: the store under its mask, with its unmasked parameters and its running
    /// statistics, which it shares with no other model; the one that was given, and its clones, stay as they are.
    ///
    /// # Errors
    /// If the task is not finished or the model is another one.
    pub fn model_of<M: Module>(&self, task: usize, model: M) -> Result<M> {
        self.0.with(|run| {
            run.bind(&model)?;
            run.model_of(task, model)
        })
    }

    /// That no step failed or was left out so far.
    ///
    /// # Errors
    /// The first error of an optimize call; else the first value that was not finite.
    pub fn status(&self) -> std::result::Result<(), Arc<PruningError>> {
        self.0.status()
    }

    /// Has `call` called once, with the first step that fails: at that step, or now if there was one. A step or decision that is
    /// left out because a value is not finite is no failure.
    ///
    /// [`optimize`](Self::optimize) can return no error, so that training would go on without masks; this is how a failure
    /// stops it, with Burn's `Interrupter`, of which the learner has a clone:
    ///
    /// ```
    /// # use burn::{nn::LinearConfig, tensor::Device};
    /// use burn::train::Interrupter;
    /// # use regimen_pruning::{Fixed, Masks, MovementConfig, PerTaskConfig, TopKastConfig};
    ///
    /// # let model = LinearConfig::new(8, 4).init(&Device::default().autodiff());
    /// # let tasks = PerTaskConfig::new(0.5).init(&model)?;
    /// let interrupter = Interrupter::new(); // `SupervisedTraining::with_interrupter(interrupter.clone())`
    /// tasks.on_failure(move |error| interrupter.stop(Some(&error.to_string())));
    /// # Ok::<(), regimen_pruning::PruningError>(())
    /// ```
    pub fn on_failure(&self, call: impl FnOnce(&PruningError) + Send + 'static) {
        self.0.on_failure(call);
    }

    /// Why the optimizer's state is not zeroed where weights are off or new, if it is not: [`PruningError::StateType`]. Masks
    /// change nevertheless, and the state stays as it is.
    #[must_use]
    pub fn notice(&self) -> Option<Arc<PruningError>> {
        self.0.notice()
    }

    /// How many steps, and updates, were left out because a value was not finite.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.0.skipped()
    }

    /// A copy of all that is needed to go on, to be saved beside the model's and the optimizer's records.
    #[must_use]
    pub fn state(&self) -> PerTaskState {
        self.0.with(|run| run.state().clone())
    }

    /// Goes on from a saved state, which holds for the first model that comes after it: by the ids of its parameters, as Burn's
    /// records keep them, or else by their paths ([`Masks::rebind`]).
    ///
    /// # Errors
    /// If it is of other parameters (paths or shapes), or its fields do not fit together.
    pub fn restore(&self, state: PerTaskState) -> Result<()> {
        self.0.restore(|run| run.restore(state))
    }
}
