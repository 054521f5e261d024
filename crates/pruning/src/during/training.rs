//! # SparseTraining
//!
//! Trains with masks: optimizer step, mask, and at a method's events its decision on the host.
//!
//! Source: Liu et al. (arXiv 2106.10404), algorithm 1, for the order of the parts.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::SparseMethod;
use super::gradients::Gradients;
use super::handle::Stepper;
use super::optimizer_state::{mask_optimizer, momenta};
use crate::error::read;
use crate::rules::{Event, Layer, Timing};
use crate::{Exploration, Masks, Result};

/// All that a run needs besides model and optimizer to go on where it stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SparseState {
    /// Training steps so far.
    pub step: usize,
    /// Events so far.
    pub events: usize,
    /// Weights grown so far.
    pub grown: usize,
    /// Seed of random decisions.
    pub seed: u64,
    /// The masks.
    pub masks: Masks,
    /// Which weights were active at any time.
    #[serde(default)]
    pub explored: Exploration,
}

/// A method with its masks and position.
#[derive(Debug)]
pub struct SparseTraining {
    method: Box<dyn SparseMethod>,
    state: SparseState,
}

impl SparseTraining {
    /// Starts at step 0 with these masks.
    #[must_use]
    pub fn new(method: impl SparseMethod + 'static, masks: Masks, seed: u64) -> Self {
        let state = SparseState {
            step: 0,
            events: 0,
            grown: 0,
            seed,
            explored: Exploration::of(&masks),
            masks,
        };
        Self {
            method: Box::new(method),
            state,
        }
    }

    /// Masks, counters and seed.
    #[must_use]
    pub fn state(&self) -> &SparseState {
        &self.state
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If its masks are of other parameters (paths or shapes) than the present ones.
    pub fn restore(&mut self, state: SparseState) -> Result<()> {
        self.state.masks.same_layers(&state.masks)?;
        self.state = state;
        if !self.state.explored.fits(&self.state.masks) {
            self.state.explored = Exploration::of(&self.state.masks);
        }
        Ok(())
    }

    /// One training step: optimizer, mask, and at an event the method's decision, after which new weights
    /// and the optimizer's state of all that is off or new are zero.
    ///
    /// # Errors
    /// If the masks are of another model, or a weight or gradient is not finite at an event.
    pub fn optimize<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: impl Into<ModuleLearningRate>,
        grads: GradientsParams,
    ) -> Result<M> {
        let (model, result) = self.advance(model, optim, lr.into(), Gradients::One(grads));
        result.map(|()| model)
    }

    /// The gradients of the masked weights, on their device; none if the method needs none.
    fn dense_gradients<M: Module>(
        &self,
        model: &M,
        grads: &Gradients,
    ) -> Result<Option<Vec<Tensor<1>>>> {
        if !self.method.needs_gradients() {
            return Ok(None);
        }
        let masked = grads.masked(model, &self.state.masks)?;
        let values = masked.entries().iter().map(|entry| entry.values.clone());
        Ok(Some(values.collect()))
    }

    /// The layers as the method wants to see them.
    fn layers<M: Module>(
        &self,
        model: &M,
        optim: &ModuleOptimizer,
        dense: Option<Vec<Tensor<1>>>,
    ) -> Result<Vec<Layer>> {
        let masks = &self.state.masks;
        let weights = masks.weights(model)?.to_host()?;
        // The optimizer has dropped its own: on a host backend these are taken, not copied.
        let dense = match dense {
            Some(dense) => {
                let values = dense.into_iter().map(|values| read("gradient", values));
                values.collect::<Result<Vec<_>>>()?
            }
            None => vec![Vec::new(); masks.layers().len()],
        };
        let parts = weights.into_iter().zip(dense).zip(masks.layers());
        let mut layers: Vec<Layer> = parts
            .map(|((weights, gradient), mask)| Layer::new(weights, gradient, mask.active.clone()))
            .collect();
        if self.method.needs_momentum() {
            let momenta = momenta(optim, masks)?;
            let pairs = layers.iter_mut().zip(momenta);
            pairs.for_each(|(layer, momentum)| layer.momentum = momentum);
        }
        if self.method.needs_history() {
            let each = layers.iter_mut().enumerate();
            each.for_each(|(i, layer)| layer.explored = self.state.explored.flags(i));
        }
        Ok(layers)
    }

    /// Lets the method decide, puts the new masks in place, clears the optimizer's state, and returns the
    /// masks of what keeps its value.
    fn decide<M: Module>(
        &mut self,
        model: &M,
        optim: &mut ModuleOptimizer,
        dense: Option<Vec<Tensor<1>>>,
    ) -> Result<Masks> {
        let mut layers = self.layers(model, optim, dense)?;
        let state = &mut self.state;
        let event = Event {
            step: state.step,
            index: state.events,
            seed: state.seed,
        };
        let grown = self.method.update(&event, &mut layers)?;
        let (active, flags): (Vec<_>, Vec<_>) = layers
            .into_iter()
            .map(|layer| (layer.active, layer.kept))
            .unzip();
        let mut kept = state.masks.clone();
        kept.set(flags)?;
        mask_optimizer(optim, &kept)?;
        state.masks.set(active)?;
        state.explored.record(&state.masks);
        state.events += 1;
        state.grown += grown;
        tracing::debug!(
            step = state.step,
            grown,
            sparsity = state.masks.sparsity(),
            "masks updated"
        );
        Ok(kept)
    }
}

impl Stepper for SparseTraining {
    fn advance<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: Gradients,
    ) -> (M, Result<()>) {
        let step = self.state.step + 1;
        let timing = self.method.timing(step);
        let dense = match timing {
            Timing::None => Ok(None),
            _ => self.dense_gradients(&model, &grads),
        };
        let model = match timing {
            Timing::Instead => model,
            _ => grads.step(model, optim, lr),
        };
        self.state.step = step;
        if let Err(error) = self.state.masks.check(&model) {
            return (model, Err(error));
        }
        let model = self.state.masks.multiply(model);
        if timing == Timing::None {
            return (model, Ok(()));
        }
        match dense.and_then(|dense| self.decide(&model, optim, dense)) {
            Ok(kept) => (kept.multiply(model), Ok(())),
            Err(error) => (model, Err(error)),
        }
    }
}
