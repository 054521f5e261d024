//! # Movement
//!
//! Pruning while fine-tuning: weights that move towards zero go, and stored ones come back if they would move away.
//!
//! Source: Sanh et al., "Movement Pruning: Adaptive Sparsity by Fine-Tuning" (arXiv 2005.07683), sections 3 and 4.

mod config;
mod run;

use std::fmt;
use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};

use super::handle::Handle;
use crate::error::positive;
use crate::{Masks, PruningError, Result};
pub use config::MovementConfig;
use regimen_tensor::training::Gradients;
pub use run::MovementState;
use run::Run;

impl MovementConfig {
    /// For all prunable weights, those of [`Masks::dense`].
    ///
    /// # Errors
    /// Names the field that is out of range; or if there is no such weight.
    pub fn init<M: Module>(&self, model: &M) -> Result<Movement> {
        self.init_on(model, Masks::dense(model)?)
    }

    /// For the weights of `model` that these masks cover, all of them active.
    ///
    /// # Errors
    /// Names the field that is out of range; or if the masks are of another model or not all active.
    pub fn init_on<M: Module>(&self, model: &M, masks: Masks) -> Result<Movement> {
        positive("total_steps", self.total_steps)?;
        positive("update_every", self.update_every)?;
        let sparsity = self.sparsity()?;
        if masks.count() < masks.total() {
            return Err(PruningError::Mismatch {
                path: "*".into(),
                expected: "masks that are all active".into(),
                found: format!("density {}", masks.density()),
            });
        }
        let run = Run::new(self.clone(), sparsity, model, masks)?;
        Ok(Movement(Handle::new(run)))
    }
}

/// A shared handle on movement pruning; a model carries it with `#[module(skip)]`, as a [`Pruner`](crate::Pruner).
///
/// ```
/// # use burn::{nn::LinearConfig, optim::{GradientsParams, SgdConfig}, tensor::{Device, Tensor}};
/// use regimen_pruning::MovementConfig;
///
/// # let device = Device::default().autodiff();
/// # let mut model = LinearConfig::new(20, 5).init(&device); // your trained model
/// let movement = MovementConfig::new(0.9, 20).init(&model)?;
/// let mut optim = SgdConfig::new().init();
/// for _ in 0..20 {
///     let loss = model.forward(Tensor::<2>::ones([8, 20], &device)).square().mean();
///     let grads = GradientsParams::from_grads(loss.backward(), &model);
///     model = movement.optimize(model, &mut optim, 0.1, grads); // in a `TrainStep`, the same call
/// }
/// movement.status().map_err(|error| error.to_string())?;
/// assert_eq!(movement.masks().count(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Movement(Handle<Run>);

impl fmt::Debug for Movement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Movement({} weights)", self.masks().total())
    }
}

impl Movement {
    /// One training step: scores, the optimizer's step on the stored weights that are on, and at an event the new
    /// selection. A step with a gradient that is not finite is left out; a selection with a weight or score that is not
    /// leaves the masks as they were; a model that is not the masks' own takes the optimizer's step alone.
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

    /// As [`optimize`](Self::optimize) for `TrainStep::optimize_multi`; gradients are summed over devices.
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
    /// # let movement = MovementConfig::new(0.5, 10).init(&model)?;
    /// let interrupter = Interrupter::new(); // `SupervisedTraining::with_interrupter(interrupter.clone())`
    /// movement.on_failure(move |error| interrupter.stop(Some(&error.to_string())));
    /// # Ok::<(), regimen_pruning::PruningError>(())
    /// ```
    pub fn on_failure(&self, call: impl FnOnce(&PruningError) + Send + 'static) {
        self.0.on_failure(call);
    }

    /// How many steps, and selections, were left out because a value was not finite.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.0.skipped()
    }

    /// The present masks: those of the model.
    #[must_use]
    pub fn masks(&self) -> Masks {
        self.0.with(|run| run.masks().clone())
    }

    /// The scores, one vector a masked layer, read from the device.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn scores(&self) -> Result<Vec<Vec<f32>>> {
        self.0.with(|run| run.scores())
    }

    /// A copy of masks, stored weights and scores, to be saved beside the model's and the optimizer's records.
    ///
    /// # Errors
    /// If they can't be read from the device.
    pub fn state(&self) -> Result<MovementState> {
        self.0.with(|run| run.state())
    }

    /// Goes on from a saved state, which holds for the first model that comes after it: by the ids of its parameters, as Burn's
    /// records keep them, or else by their paths ([`Masks::rebind`]).
    ///
    /// # Errors
    /// If it is of other parameters (paths or shapes), or its fields do not fit together.
    pub fn restore(&self, state: MovementState) -> Result<()> {
        self.0.restore(|run| run.restore(state))
    }
}
