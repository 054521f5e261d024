//! The course of tasks: begin, step, finish.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use regimen_schedules::{Between, Curve, Schedule};
use regimen_tensor::ParamVector;

use super::config::PerTaskConfig;
use super::held::{Held, write};
use super::state::{PerTaskState, Present, Snapshot, Topology};
use crate::during::gradients::Gradients;
use crate::during::handle::Stepper;
use crate::during::optimizer_state::{mask_optimizer, momenta};
use crate::error::positive;
use crate::mask::density::floor;
use crate::rules::{Event, Layer, Rounding};
use crate::{Exploration, Masks, PruningError, Result};

/// A sequence of tasks with the tensors of the present one.
pub(super) struct Run {
    config: PerTaskConfig,
    state: PerTaskState,
    held: Option<Held>,
}

impl Run {
    pub(super) fn new(config: PerTaskConfig, state: PerTaskState) -> Self {
        Self {
            config,
            state,
            held: None,
        }
    }

    pub(super) fn state(&self) -> &PerTaskState {
        &self.state
    }

    pub(super) fn restore(&mut self, state: PerTaskState) -> Result<()> {
        self.state.check(&state)?;
        self.state = state;
        self.held = None;
        Ok(())
    }

    pub(super) fn begin<M: Module>(&mut self, model: M, steps: usize) -> Result<M> {
        positive("steps", steps)?;
        let (state, config) = (&mut self.state, &self.config);
        let task = state.tasks.len();
        if state.present.is_some() {
            return Err(PruningError::range("task", task, "one after `finish`"));
        }
        let seed = state.seed ^ (task as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95);
        let frame = state.frame.clone();
        let masks = frame.random(config.layout, config.density, seed)?;
        let model = write(model, &masks, &state.store, &state.rest)?;
        state.present = Some(Present {
            step: 0,
            steps,
            fired: Exploration::of(&masks),
            masks,
            best: None,
        });
        self.held = None;
        Ok(model)
    }

    /// Counts the step, makes the tensors it needs, and reads the dense gradients of an update.
    fn prepare<M: Module>(
        &mut self,
        model: &M,
        grads: &Gradients,
    ) -> Result<Option<Vec<Vec<f32>>>> {
        let every = self.config.update_every;
        let present = self.state.present()?;
        let step = present.step + 1;
        let end = floor(self.config.until * present.steps as f64);
        let swaps = self.config.swap_start > 0.0 || self.config.swap_end > 0.0;
        let update = swaps && step.is_multiple_of(every) && step < end;
        let reads = self.config.growth.needs_gradients() || self.config.drop.needs_gradients();
        let masks = &present.masks;
        masks.check(model)?;
        let dense = match (update, reads) {
            (false, _) => None,
            (true, false) => Some(vec![Vec::new(); masks.layers().len()]),
            (true, true) => Some(grads.dense(model, masks)?),
        };
        present.step = step;
        self.hold(model)?;
        Ok(dense)
    }

    /// Makes the tensors that hold used weights, unless they are there or nothing is to be held.
    fn hold<M: Module>(&mut self, model: &M) -> Result<()> {
        let state = &self.state;
        let Some(present) = &state.present else {
            return Ok(());
        };
        if self.held.is_none() && self.config.freeze && !state.tasks.is_empty() {
            let weights = present.masks.weights(model)?;
            let held = Held::new(&weights, &present.masks, &used(state), &state.store);
            self.held = Some(held);
        }
        Ok(())
    }

    /// The present mask, and the stored bits of what is used.
    fn constrain<M: Module>(&self, model: M) -> M {
        let model = match &self.state.present {
            Some(present) => present.masks.multiply(model),
            None => model,
        };
        match &self.held {
            Some(held) => held.put_back(model),
            None => model,
        }
    }

    /// Changes the topology, clears the optimizer's state of what is off or new, and returns the masks of what
    /// keeps its value. Where an earlier task uses a grown weight, its stored value comes back.
    fn update<M: Module>(
        &mut self,
        model: &M,
        optim: &mut ModuleOptimizer,
        dense: Vec<Vec<f32>>,
    ) -> Result<Masks> {
        let mut layers = self.layers(model, optim, dense)?;
        let (config, state) = (&self.config, &mut self.state);
        let (step, steps) = {
            let present = state.present()?;
            (present.step, present.steps)
        };
        let (start, end) = (config.swap_start, config.swap_end);
        let share = Between::new(start, end, 0, steps, Curve::Cosine)?.at(step);
        let event = Event {
            step,
            index: state.events,
            seed: state.seed,
        };
        let mut rng = event.generator();
        for layer in &mut layers {
            layer.swap(config.drop, share, Rounding::Up, config.growth, &mut rng)?;
        }
        state.events += 1;
        let (active, kept): (Vec<_>, Vec<_>) = layers
            .into_iter()
            .map(|layer| (layer.active, layer.kept))
            .unzip();
        let present = state.present()?;
        let mut keeping = present.masks.clone();
        keeping.set(kept)?;
        mask_optimizer(optim, &keeping)?;
        present.masks.set(active)?;
        present.fired.record(&present.masks);
        self.held = None;
        self.hold(model)?;
        Ok(keeping)
    }

    fn layers<M: Module>(
        &self,
        model: &M,
        optim: &ModuleOptimizer,
        dense: Vec<Vec<f32>>,
    ) -> Result<Vec<Layer>> {
        let Some(present) = &self.state.present else {
            return Ok(Vec::new());
        };
        let weights = present.masks.weights(model)?.to_host()?;
        let parts = weights.into_iter().zip(dense);
        let parts = parts.zip(present.masks.layers()).enumerate();
        let layer = |(i, ((weights, gradient), mask)): (usize, ((_, _), &crate::Mask))| {
            let mut layer = Layer::new(weights, gradient, mask.active.clone());
            if self.config.growth.needs_history() {
                layer.explored = present.fired.flags(i);
            }
            layer
        };
        let mut layers: Vec<Layer> = parts.map(layer).collect();
        if self.config.growth.needs_momentum() {
            let momenta = momenta(optim, &present.masks)?;
            let pairs = layers.iter_mut().zip(momenta);
            pairs.for_each(|(layer, momentum)| layer.momentum = momentum);
        }
        Ok(layers)
    }

    pub(super) fn remember<M: Module>(&mut self, model: &M) -> Result<()> {
        let present = self.state.present()?;
        let vector = ParamVector::state(model);
        let weights = present.masks.select(&vector)?.to_host()?;
        let topology = Topology {
            rest: present.masks.others(&vector).to_host()?,
            masks: present.masks.clone(),
        };
        present.best = Some(Snapshot { weights, topology });
        Ok(())
    }

    pub(super) fn finish<M: Module>(&mut self, model: &M) -> Result<()> {
        if self.state.present()?.best.is_none() {
            self.remember(model)?;
        }
        let used = used(&self.state);
        let state = &mut self.state;
        let Some(Snapshot { weights, topology }) = state.present()?.best.take() else {
            return Ok(());
        };
        let stores = state.store.iter_mut().zip(weights).zip(used);
        for (((store, weights), used), mask) in stores.zip(topology.masks.layers()) {
            let values = store.iter_mut().zip(weights);
            for (((store, weight), used), active) in values.zip(used).zip(&mask.active) {
                if *active && !(used && self.config.freeze) {
                    *store = weight;
                }
            }
        }
        state.used.record(&topology.masks);
        state.tasks.push(topology);
        state.present = None;
        self.held = None;
        Ok(())
    }

    pub(super) fn model_of<M: Module>(&self, task: usize, model: M) -> Result<M> {
        let Some(topology) = self.state.tasks.get(task) else {
            let allowed = format!("below {}, the finished tasks", self.state.tasks.len());
            return Err(PruningError::range("task", task, &allowed));
        };
        write(model, &topology.masks, &self.state.store, &topology.rest)
    }
}

impl Stepper for Run {
    fn advance<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        mut grads: Gradients,
    ) -> (M, Result<()>) {
        let prepared = self.prepare(&model, &grads);
        let dense = match prepared {
            Ok(dense) => dense,
            Err(error) => return (grads.step(model, optim, lr), Err(error)),
        };
        if let Some(held) = &self.held {
            grads.zero_where(&model, &held.used);
        }
        let model = self.constrain(grads.step(model, optim, lr));
        match dense {
            None => (model, Ok(())),
            Some(dense) => match self.update(&model, optim, dense) {
                Ok(kept) => (self.constrain(kept.multiply(model)), Ok(())),
                Err(error) => (model, Err(error)),
            },
        }
    }
}

fn used(state: &PerTaskState) -> Vec<Vec<bool>> {
    let layers = 0..state.frame.layers().len();
    layers.map(|i| state.used.flags(i)).collect()
}
