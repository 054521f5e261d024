//! # Pruner
//!
//! A handle on sparse training that a model carries: `TrainStep::optimize` becomes one call.
//!
//! Source: this crate's adaptor to Burn's `TrainStep`.

use std::fmt;
use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};

use super::handle::Handle;
use super::{SparseMethod, SparseState, SparseTraining};
use crate::{Masks, PruningError, Result};
use regimen_tensor::training::Gradients;

/// A shared handle on [`SparseTraining`]: clones see the same masks, so keep one outside of the model.
///
/// Put it in the module with `#[module(skip)]` and call it in `TrainStep::optimize`:
///
/// ```
/// # use burn::{module::Module, nn::Linear, tensor::Tensor};
/// # use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
/// # use burn::optim::{GradientsParams, ModuleOptimizer};
/// # use burn::train::{RegressionOutput, TrainOutput, TrainStep};
/// # use regimen_pruning::Pruner;
/// #[derive(Module, Debug)]
/// struct Model {
///     layer: Linear,
///     #[module(skip)]
///     pruner: Pruner,
/// }
///
/// impl TrainStep for Model {
/// #    type Input = Tensor<2>;
/// #    type Output = RegressionOutput;
/// #    fn step(&self, x: Tensor<2>) -> TrainOutput<RegressionOutput> {
/// #        let y = self.layer.forward(x.clone());
/// #        let loss = y.clone().mean();
/// #        TrainOutput::new(self, loss.backward(), RegressionOutput::new(loss, y, x))
/// #    }
///     fn optimize(self, optim: &mut ModuleOptimizer, lr: ModuleLearningRate, grads: GradientsParams) -> Self {
///         self.pruner.clone().optimize(self, optim, lr, grads)
///     }
/// }
/// ```
///
/// `optimize` of the trait can return no error: the first one stays in the handle for [`status`](Self::status).
///
/// - A step with a gradient that is NaN or infinite is left out: weights, optimizer and masks stay as they were. If it was an
///   event, the next step is one. Each step reads one scalar from the device for this.
/// - An event at which a weight is not finite, or that fails otherwise, leaves the masks as they were, and training goes on
///   under them.
/// - A model that is not the masks' own takes the optimizer's step alone.
#[derive(Clone)]
pub struct Pruner(Handle<SparseTraining>);

impl fmt::Debug for Pruner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (total, step) = self.look(|state| (state.masks.total(), state.step));
        write!(f, "Pruner({total} weights, step {step})")
    }
}

impl Pruner {
    /// A handle on a method of any kind, at step 0.
    #[must_use]
    pub fn new(method: impl SparseMethod + 'static, masks: Masks, seed: u64) -> Self {
        Self(Handle::new(SparseTraining::new(method, masks, seed)))
    }

    pub(crate) fn kind(&self) -> String {
        self.0.with(|training| training.kind())
    }

    fn look<T>(&self, f: impl FnOnce(&SparseState) -> T) -> T {
        self.0.with(|training| f(training.state()))
    }

    /// Applies the present masks: once before training starts, so that a sparse start is sparse from the
    /// first forward pass on.
    ///
    /// # Errors
    /// If the masks are of another model.
    pub fn mask<M: Module>(&self, model: M) -> Result<M> {
        self.0.with(|training| {
            training.bind(&model)?;
            training.state().masks.apply(model)
        })
    }

    /// The optimizer's step and the masks; see [`SparseTraining::optimize`]. What happens on an error: see [`Pruner`].
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

    /// As [`optimize`](Self::optimize) for `TrainStep::optimize_multi`: gradients of several devices, which
    /// are summed for growth as Burn sums them for the optimizer.
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
    /// The first error of an optimize call; else the first value that was not finite,
    /// [`PruningError::Gradient`] or [`PruningError::Weight`], after which training went on sparse.
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
    /// # let pruner = Fixed::init(Masks::dense(&model)?);
    /// let interrupter = Interrupter::new(); // `SupervisedTraining::with_interrupter(interrupter.clone())`
    /// pruner.on_failure(move |error| interrupter.stop(Some(&error.to_string())));
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

    /// How many steps, and events, were left out because a gradient or a weight was not finite.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.0.skipped()
    }

    /// A copy of masks, counters and seed, to be saved beside the model's and the optimizer's records.
    #[must_use]
    pub fn state(&self) -> SparseState {
        self.look(Clone::clone)
    }

    /// Goes on from a saved state; see [`SparseTraining::restore`].
    ///
    /// # Errors
    /// If its masks are of other parameters (paths or shapes), or its fields do not fit together.
    pub fn restore(&self, state: SparseState) -> Result<()> {
        self.0.restore(|training| training.restore(state))
    }

    /// A copy of the masks.
    #[must_use]
    pub fn masks(&self) -> Masks {
        self.look(|state| state.masks.clone())
    }

    /// Share of masked weights that were active at any time so far: the in-time over-parameterisation rate.
    #[must_use]
    pub fn explored(&self) -> f64 {
        self.look(|state| state.explored.rate())
    }

    /// The same for each masked layer.
    #[must_use]
    pub fn layers_explored(&self) -> Vec<f64> {
        self.look(|state| state.explored.layer_rates())
    }

    /// Share of masked weights that are off.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        self.look(|state| state.masks.sparsity())
    }
}
