//! # Movement
//!
//! Pruning while fine-tuning: weights that move towards zero go, and stored ones come back if they would move away.
//!
//! Source: Sanh et al., "Movement Pruning: Adaptive Sparsity by Fine-Tuning" (arXiv 2005.07683), sections 3 and 4.

mod run;

use std::fmt;
use std::sync::Arc;

use burn::config::Config;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};

use crate::error::positive;
use crate::gradients::Gradients;
use crate::handle::Handle;
use crate::{CubicSparsity, Masks, PruningError, Result};
pub use run::MovementState;
use run::Run;

/// Configuration of movement pruning.
///
/// Every masked weight `w` has a score `S`, 0 at first. At each step `S <- S - g w`, with `g` the gradient at the masked
/// weight (the straight-through gradient of the score): it rises where a step of descent moves the weight away from zero.
/// At events the weights of largest score are kept, as many as the sparsity
/// `s(t) = s_f (1 - (1 - (t - prune_from) / (prune_until - prune_from))^3)` leaves. What is off keeps its stored value bit
/// for bit, its score goes on, and it returns with that value.
///
/// The rate of the paper's score update has no place here: it scales all scores alike, and only their order counts.
#[derive(Config, Debug)]
pub struct MovementConfig {
    /// Sparsity at the end, in [0, 1).
    pub final_sparsity: f64,
    /// Training steps of the whole run.
    pub total_steps: usize,
    /// Steps between selections. The paper selects at every step; a selection reads the scores on the host, so take more
    /// for large models.
    #[config(default = 1)]
    pub update_every: usize,
    /// Step at which pruning starts; a tenth of `total_steps` if not given, as in the authors' recipe.
    pub prune_from: Option<usize>,
    /// Step at which the final sparsity is reached; four fifths of `total_steps` if not given, as in the authors' recipe.
    pub prune_until: Option<usize>,
    /// Compares scores over all layers together instead of layer by layer.
    #[config(default = false)]
    pub global: bool,
}

impl MovementConfig {
    /// For all weights of rank 2 and 4.
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

    /// The sparsity over steps.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn sparsity(&self) -> Result<CubicSparsity> {
        let total = self.total_steps;
        let from = self.prune_from.unwrap_or(total / 10);
        let until = self.prune_until.unwrap_or(total - total / 5);
        if until > total {
            let allowed = format!("to total_steps, {total}");
            return Err(PruningError::range("prune_until", until, &allowed));
        }
        CubicSparsity::new(0.0, self.final_sparsity, from, until)
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
    /// selection. After an error: the optimizer's step alone.
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

    /// That no step failed so far.
    ///
    /// # Errors
    /// The first error of an optimize call.
    pub fn status(&self) -> std::result::Result<(), Arc<PruningError>> {
        self.0.status()
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

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If it is of other parameters (paths or shapes).
    pub fn restore(&self, state: MovementState) -> Result<()> {
        self.0.restore(|run| run.restore(state))
    }
}
