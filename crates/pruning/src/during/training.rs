//! # SparseTraining
//!
//! Trains with masks: optimizer step, mask, and at a method's events its decision, on the weights' device.
//!
//! Source: Liu et al. (arXiv 2106.10404), algorithm 1, for the order of the parts.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::SparseMethod;
use super::gradients::dense;
use super::handle::{Stepper, guarded};
use super::layers::{Needs, cleared, device_layers};
use super::optimizer_state::mask_optimizer;
use crate::error::{at_most, counter};
use crate::rules::{Event, Timing};
use crate::{Exploration, Masks, PruningError, Result};
use regimen_tensor::training::Gradients;

/// All that a run needs besides model and optimizer to go on where it stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct SparseState {
    /// Training steps so far.
    pub step: usize,
    /// Events so far.
    pub events: usize,
    /// The event that is to be made up for, because the step's gradient was not finite.
    #[serde(default)]
    pub put_off: Option<usize>,
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

impl Checked for SparseState {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        counter("step", self.step)?;
        counter("grown", self.grown)?;
        at_most("events", self.events, "step", self.step)?;
        at_most(
            "put_off",
            self.put_off.unwrap_or_default(),
            "step",
            self.step,
        )?;
        Checked::check(&self.masks)?;
        self.explored.check_of(&self.masks)
    }
}
checked_serde!(SparseState);

/// A method with its masks and position.
#[derive(Debug)]
pub struct SparseTraining {
    method: Box<dyn SparseMethod>,
    state: SparseState,
    /// The last event: its step, its timing and the masks of what kept its value.
    last: Option<(usize, Timing, Masks)>,
    /// The state was restored, and has not met the model yet.
    unbound: bool,
}

impl SparseTraining {
    /// Starts at step 0 with these masks.
    #[must_use]
    pub fn new(method: impl SparseMethod + 'static, masks: Masks, seed: u64) -> Self {
        let state = SparseState {
            step: 0,
            events: 0,
            put_off: None,
            grown: 0,
            seed,
            explored: Exploration::of(&masks),
            masks,
        };
        Self {
            method: Box::new(method),
            state,
            last: None,
            unbound: false,
        }
    }

    /// What a checkpoint of this state is: the method's name is part of it.
    pub(crate) fn kind(&self) -> String {
        format!("sparse training by {} 1", self.method.name())
    }

    /// Masks, counters and seed.
    #[must_use]
    pub fn state(&self) -> &SparseState {
        &self.state
    }

    /// Goes on from a saved state. Its masks hold for the first model that comes after it: by the ids of its parameters, as
    /// Burn's records keep them, or else by their paths ([`Masks::rebind`]).
    ///
    /// # Errors
    /// If its masks are of other parameters (paths or shapes) than the present ones, or its fields do not fit together.
    pub fn restore(&mut self, state: SparseState) -> Result<()> {
        self.state.masks.same_layers(&state.masks)?;
        Checked::check(&state)?;
        self.state = state;
        self.last = None;
        self.unbound = true;
        if !self.state.explored.fits(&self.state.masks) {
            self.state.explored = Exploration::of(&self.state.masks);
        }
        Ok(())
    }

    /// One training step: optimizer, mask, and at an event the method's decision, after which new weights
    /// and the optimizer's state of all that is off or new are zero. The model comes back whatever happens.
    ///
    /// # Errors
    /// The second value: if a gradient is not finite, and the step was left out; if a weight is not finite at an event or the
    /// method fails, and the masks stay; if the masks are of another model, which took the optimizer's step alone; or, with
    /// everything else done, [`PruningError::StateType`](crate::PruningError::StateType) if the optimizer's state could not be cleared.
    pub fn optimize<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: impl Into<ModuleLearningRate>,
        grads: GradientsParams,
    ) -> (M, Result<()>) {
        let grads = Gradients::One(grads);
        let broken = grads.not_finite(&model);
        guarded(self, broken, model, optim, lr.into(), grads)
    }

    /// Has a restored state's masks name the parameters of this model.
    pub(crate) fn bind<M: Module>(&mut self, model: &M) -> Result<()> {
        if self.unbound {
            self.state.masks.bind(model)?;
            self.unbound = false;
        }
        Ok(())
    }

    /// Lets the method decide, puts the new masks in place, clears the optimizer's state, and returns the
    /// masks of what keeps its value, and why the optimizer's state could not be cleared.
    fn decide<M: Module>(
        &mut self,
        model: &M,
        optim: &mut ModuleOptimizer,
        dense: Vec<Option<Tensor<1>>>,
    ) -> Result<(Masks, Result<()>)> {
        let state = &mut self.state;
        let method = &self.method;
        let needs = Needs {
            momentum: method.needs_momentum(),
            history: method.needs_history().then_some(&state.explored),
        };
        let mut layers = device_layers(model, optim, &state.masks, state.step, dense, &needs)?;
        let event = Event {
            step: state.step,
            index: state.events,
            seed: state.seed,
        };
        let grown = method.update_on_device(&event, &mut layers)?;
        let (active, flags): (Vec<_>, Vec<_>) = layers
            .into_iter()
            .map(|layer| (layer.flags.active, layer.flags.kept))
            .unzip();
        let mut kept = state.masks.clone();
        kept.set(flags)?;
        let cleared = cleared(mask_optimizer(optim, &kept))?;
        state.masks.set(active)?;
        state.explored.record(&state.masks);
        state.events += 1;
        state.grown = state.grown.saturating_add(grown);
        tracing::debug!(
            step = state.step,
            grown,
            sparsity = state.masks.sparsity(),
            "masks updated"
        );
        Ok((kept, cleared))
    }
}

impl Stepper for SparseTraining {
    fn leave_out(&mut self) -> usize {
        let state = &mut self.state;
        state.step += 1;
        if self.method.timing(state.step) != Timing::None {
            state.put_off = Some(state.step);
        }
        state.step
    }

    fn advance<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: Gradients,
    ) -> (M, Result<()>) {
        let step = self.state.step + 1;
        let known = self
            .bind(&model)
            .and_then(|()| self.state.masks.check(&model));
        if let Err(error) = known {
            return (grads.step(model, optim, lr), Err(error));
        }
        let timing = match (self.method.timing(step), self.state.put_off.take()) {
            (Timing::None, Some(missed)) => self.method.timing(missed),
            (timing, _) => timing,
        };
        let dense = match timing {
            Timing::None => Ok(Vec::new()),
            _ => dense(
                &grads,
                &model,
                &self.state.masks,
                self.method.needs_gradients(),
            ),
        };
        let model = match timing {
            Timing::Instead => model,
            _ => grads.step(model, optim, lr),
        };
        self.state.step = step;
        let model = self.state.masks.multiply(model);
        if timing == Timing::None {
            return (model, Ok(()));
        }
        match dense.and_then(|dense| self.decide(&model, optim, dense)) {
            Ok((kept, cleared)) => {
                let model = kept.multiply(model);
                self.last = Some((step, timing, kept));
                (model, cleared)
            }
            Err(error) => (model, Err(error)),
        }
    }

    fn follow<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: Gradients,
    ) -> (M, Result<()>) {
        if let Err(error) = self.state.masks.check(&model) {
            return (grads.step(model, optim, lr), Err(error));
        }
        match &self.last {
            Some((step, timing, kept)) if *step == self.state.step => {
                let model = match timing {
                    Timing::Instead => model,
                    _ => grads.step(model, optim, lr),
                };
                let result = mask_optimizer(optim, kept);
                (kept.multiply(model), result)
            }
            _ => {
                let model = grads.step(model, optim, lr);
                (self.state.masks.multiply(model), Ok(()))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::AdamWConfig;
    use burn::tensor::{Device, Tensor};
    use regimen_tensor::ParamVector;

    use super::*;
    use crate::{DynamicSparse, GraNetConfig, RigLConfig, SetConfig};

    fn gradients(model: &Linear, at: usize) -> GradientsParams {
        let device = model.weight.val().device();
        let wave = (0..8 * 12).map(|i| ((i * 37 + at * 101) % 97) as f32 / 97.0 - 0.5);
        let data = burn::tensor::TensorData::new(wave.collect::<Vec<_>>(), [8, 12]);
        let loss = (model.forward(Tensor::<2>::from_data(data, &device)) - 1.0)
            .square()
            .mean();
        GradientsParams::from_grads(loss.backward(), model)
    }

    /// A copy on another device, with the same gradients, has the same weights and the same state of its optimizer.
    #[test]
    fn a_copy_that_follows_is_the_same() {
        let device = Device::flex().autodiff();
        let start = LinearConfig::new(12, 10).init(&device);
        let methods: [DynamicSparse; 3] = [
            GraNetConfig::new(0.8, 30)
                .with_update_every(3)
                .method()
                .unwrap(),
            RigLConfig::new(0.8, 30)
                .with_update_every(3)
                .method()
                .unwrap(),
            SetConfig::new(0.8, 30)
                .with_update_every(3)
                .method()
                .unwrap(),
        ];
        for method in methods {
            let masks = Masks::dense(&start).unwrap();
            let masks = masks.random(crate::Layout::Uniform, 0.6, 1).unwrap();
            let mut training = SparseTraining::new(method, masks.clone(), 0);
            let mut models = [(); 2].map(|()| masks.apply(start.clone()).unwrap());
            let mut optims = [(); 2].map(|()| AdamWConfig::new().init());
            for at in 0..30 {
                let [a, b] = models;
                let (ga, gb) = (gradients(&a, at), gradients(&b, at));
                let (a, led) = training.advance(a, &mut optims[0], 0.05.into(), Gradients::One(ga));
                let (b, followed) =
                    training.follow(b, &mut optims[1], 0.05.into(), Gradients::One(gb));
                led.and(followed).unwrap();
                let values = |model: &Linear| ParamVector::of(model).to_host().unwrap();
                assert_eq!(values(&a), values(&b), "step {at}");
                models = [a, b];
            }
            assert_eq!(training.state().step, 30);
            assert!(training.state().events > 0);
            let momenta = optims.map(|optim| super::super::momenta(&optim, &masks).unwrap());
            assert_eq!(momenta[0], momenta[1]);
        }
    }
}
