//! # TopKast
//!
//! Sparse forward and backward passes over stored dense weights: the largest compute, a few more also learn.
//!
//! Source: Jayakumar et al., "Top-KAST: Top-K Always Sparse Training" (arXiv 2106.03517), section 2.

mod config;
mod run;

use std::fmt;
use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};

use super::handle::Handle;
use crate::error::{fraction, positive};
use crate::{Masks, PruningError, Result};
pub use config::TopKastConfig;
use regimen_tensor::training::Gradients;
use run::Run;
pub use run::{TopKastState, penalty};

impl TopKastConfig {
    /// For all prunable weights, those of [`Masks::dense`].
    ///
    /// # Errors
    /// Names the field that is out of range; or if there is no such weight.
    pub fn init<M: Module>(&self, model: &M) -> Result<TopKast> {
        self.init_on(model, Masks::dense(model)?)
    }

    /// For the weights of `model` that these masks cover.
    ///
    /// # Errors
    /// Names the field that is out of range; or if the masks are of another model or a weight is not finite.
    pub fn init_on<M: Module>(&self, model: &M, masks: Masks) -> Result<TopKast> {
        for (field, value) in [("forward", self.forward), ("backward", self.backward)] {
            fraction(field, value, true)?;
        }
        if self.forward == 0.0 {
            return Err(PruningError::range("forward", 0.0, "above 0, to 1"));
        }
        if self.backward < self.forward {
            let allowed = format!("forward, {}, to 1", self.forward);
            return Err(PruningError::range("backward", self.backward, &allowed));
        }
        if !(self.penalty.is_finite() && self.penalty >= 0.0) {
            return Err(PruningError::range("penalty", self.penalty, "0 or more"));
        }
        positive("update_every", self.update_every)?;
        let run = Run::new(self.clone(), model, masks)?;
        Ok(TopKast(Handle::new(run)))
    }
}

/// A shared handle on Top-KAST; a model carries it with `#[module(skip)]`, as a [`Pruner`](crate::Pruner).
///
/// ```
/// # use burn::{nn::LinearConfig, optim::{GradientsParams, SgdConfig}, tensor::{Device, Tensor}};
/// use regimen_pruning::TopKastConfig;
///
/// # let device = Device::default().autodiff();
/// # let model = LinearConfig::new(20, 5).init(&device);
/// let kast = TopKastConfig::new(0.1, 0.2).with_update_every(10).init(&model)?;
/// let mut model = kast.mask(model)?;
/// let mut optim = SgdConfig::new().init();
/// for _ in 0..20 {
///     let loss = model.forward(Tensor::<2>::ones([8, 20], &device)).square().mean();
///     let grads = GradientsParams::from_grads(loss.backward(), &model);
///     model = kast.optimize(model, &mut optim, 0.1, grads); // in a `TrainStep`, the same call
/// }
/// assert_eq!((kast.forward().count(), kast.backward().count()), (10, 20));
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[derive(Clone)]
pub struct TopKast(Handle<Run>);

impl fmt::Debug for TopKast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.forward().total();
        write!(f, "TopKast({total} weights)")
    }
}

impl TopKast {
    /// Applies the forward set: once before training starts.
    ///
    /// # Errors
    /// If the model is another one.
    pub fn mask<M: Module>(&self, model: M) -> Result<M> {
        self.0.with(|run| {
            run.bind(&model)?;
            run.masks().0.apply(model)
        })
    }

    /// One training step on the stored weights; the model comes back under the forward set. A
    /// step with a gradient that is not finite is left out; a selection with a weight that is not leaves the sets as they
    /// were; a model that is not the sets' own takes the optimizer's step alone.
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
    /// # let kast = TopKastConfig::new(0.5, 0.6).init(&model)?;
    /// let interrupter = Interrupter::new(); // `SupervisedTraining::with_interrupter(interrupter.clone())`
    /// kast.on_failure(move |error| interrupter.stop(Some(&error.to_string())));
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

    /// The forward set `A`: the mask of the trained model.
    #[must_use]
    pub fn forward(&self) -> Masks {
        self.0.with(|run| run.masks().0.clone())
    }

    /// The backward set `B`.
    #[must_use]
    pub fn backward(&self) -> Masks {
        self.0.with(|run| run.masks().1.clone())
    }

    /// Share of masked weights that were in the forward set at any time so far.
    #[must_use]
    pub fn explored(&self) -> f64 {
        self.0.with(|run| run.explored())
    }

    /// A copy of stored weights and sets, to be saved beside the model's and the optimizer's records. The stored
    /// weights are read from the device.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn state(&self) -> Result<TopKastState> {
        self.0.with(|run| run.state())
    }

    /// Goes on from a saved state, which holds for the first model that comes after it: by the ids of its parameters, as Burn's
    /// records keep them, or else by their paths ([`Masks::rebind`]).
    ///
    /// # Errors
    /// If it is of other parameters (paths or shapes), or its fields do not fit together.
    pub fn restore(&self, state: TopKastState) -> Result<()> {
        self.0.restore(|run| run.restore(state))
    }
}
