//! The course of tasks: begin, step, finish.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use regimen_schedules::{Between, Curve, Schedule};
use regimen_tensor::ParamVector;
use regimen_tensor::checked::Checked;

use super::config::PerTaskConfig;
use super::held::{Held, write};
use super::state::{PerTaskState, Present, Snapshot, Topology};
use crate::during::gradients::dense;
use crate::during::handle::Stepper;
use crate::during::layers::{Needs, cleared, device_layers};
use crate::during::optimizer_state::mask_optimizer;
use crate::error::{counter, positive};
use crate::mask::density::floor;
use crate::rules::{Event, Rounding, finite};
use crate::{Exploration, Masks, PruningError, Result};
use regimen_tensor::training::Gradients;

/// A sequence of tasks with the tensors of the present one.
pub(super) struct Run {
    config: PerTaskConfig,
    state: PerTaskState,
    held: Option<Held>,
    /// The state was restored, and has not met the model yet.
    unbound: bool,
}

impl Run {
    pub(super) fn new(config: PerTaskConfig, state: PerTaskState) -> Self {
        Self {
            config,
            state,
            held: None,
            unbound: false,
        }
    }

    pub(super) fn state(&self) -> &PerTaskState {
        &self.state
    }

    pub(super) fn restore(&mut self, state: PerTaskState) -> Result<()> {
        Checked::check(&state)?;
        self.state.check_other(&state)?;
        self.state = state;
        self.held = None;
        self.unbound = true;
        Ok(())
    }

    /// Has a restored state's masks name the parameters of this model.
    pub(super) fn bind<M: Module>(&mut self, model: &M) -> Result<()> {
        if self.unbound {
            self.state.bind(model)?;
            self.unbound = false;
        }
        Ok(())
    }

    pub(super) fn begin<M: Module>(&mut self, model: M, steps: usize) -> Result<M> {
        positive("steps", steps)?;
        counter("steps", steps)?;
        self.bind(&model)?;
        let (state, config) = (&mut self.state, &self.config);
        let task = state.tasks.len();
        if state.present.is_some() {
            return Err(PruningError::range("task", task, "one after `finish`"));
        }
        let seed = state.seed ^ (task as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95);
        let frame = state.frame.clone();
        let masks = frame.random(config.layout, config.density, seed)?;
        let model = write(&model, &masks, &state.store, &state.rest)?;
        state.present = Some(Present {
            step: 0,
            steps,
            put_off: false,
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
    ) -> Result<Option<Vec<Option<Tensor<1>>>>> {
        self.bind(model)?;
        let present = self.state.present()?;
        let step = present.step + 1;
        let update = due(&self.config, present, step) || present.put_off;
        let reads = self.config.growth.needs_gradients() || self.config.drop.needs_gradients();
        let masks = &present.masks;
        masks.check(model)?;
        let dense = match update {
            false => None,
            true => Some(dense(grads, model, masks, reads)?),
        };
        (present.step, present.put_off) = (step, false);
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
    /// keeps its value, and why the optimizer's state could not be cleared. Where an earlier task uses a grown weight, its stored value comes back.
    fn update<M: Module>(
        &mut self,
        model: &M,
        optim: &mut ModuleOptimizer,
        dense: Vec<Option<Tensor<1>>>,
    ) -> Result<(Masks, Result<()>)> {
        let (config, state) = (&self.config, &mut self.state);
        let present = state.present()?;
        let (step, steps) = (present.step, present.steps);
        let needs = Needs {
            momentum: config.growth.needs_momentum(),
            history: config.growth.needs_history().then_some(&present.fired),
        };
        let mut layers = device_layers(model, optim, &present.masks, step, dense, &needs)?;
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
            .map(|layer| (layer.flags.active, layer.flags.kept))
            .unzip();
        let present = state.present()?;
        let mut keeping = present.masks.clone();
        keeping.set(kept)?;
        let cleared = cleared(mask_optimizer(optim, &keeping))?;
        present.masks.set(active)?;
        present.fired.record(&present.masks);
        self.held = None;
        self.hold(model)?;
        Ok((keeping, cleared))
    }

    pub(super) fn remember<M: Module>(&mut self, model: &M) -> Result<()> {
        let present = self.state.present()?;
        let vector = ParamVector::state(model);
        let weights = present.masks.select(&vector)?.to_host()?;
        finite(present.step, &present.masks, &weights)?;
        let others = present.masks.others(&vector);
        let rest = others.to_host()?;
        let mut pairs = rest.iter().zip(others.entries());
        if let Some((_, entry)) = pairs.find(|(values, _)| values.iter().any(|v| !v.is_finite())) {
            return Err(PruningError::Weight {
                step: present.step,
                path: entry.path.clone(),
            });
        }
        let topology = Topology {
            rest,
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
        write(&model, &topology.masks, &self.state.store, &topology.rest)
    }
}

/// Whether a step of the task updates its topology.
fn due(config: &PerTaskConfig, present: &Present, step: usize) -> bool {
    let end = floor(config.until * present.steps as f64);
    let swaps = config.swap_start > 0.0 || config.swap_end > 0.0;
    swaps && step.is_multiple_of(config.update_every) && step < end
}

impl Stepper for Run {
    fn leave_out(&mut self) -> usize {
        let Some(present) = &mut self.state.present else {
            return 0;
        };
        present.step += 1;
        present.put_off |= due(&self.config, present, present.step);
        present.step
    }

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
                Ok((kept, cleared)) => (self.constrain(kept.multiply(model)), cleared),
                Err(error) => (model, Err(error)),
            },
        }
    }
}

fn used(state: &PerTaskState) -> Vec<Vec<bool>> {
    let layers = 0..state.frame.layers().len();
    layers.map(|i| state.used.flags(i)).collect()
}
