//! The step of Top-KAST, and what it keeps.

use std::collections::HashMap;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Bool, Tensor, TensorData};
use regimen_tensor::{ParamVector, threshold};
use serde::{Deserialize, Serialize};

use super::TopKastConfig;
use crate::gradients::Gradients;
use crate::{Exploration, Masks, PruningError, Result, density};

/// All that Top-KAST needs besides model and optimizer to go on where it stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopKastState {
    step: usize,
    forward: Masks,
    backward: Masks,
    explored: Exploration,
    /// The stored weights.
    #[serde(with = "crate::floats")]
    theta: Vec<Vec<f32>>,
}

/// The stored weights and what acts on them, on the weights' device.
struct Stored {
    theta: ParamVector,
    /// What does not learn.
    outside: HashMap<ParamId, Tensor<1, Bool>>,
    /// The penalty's factor of each weight.
    pull: Vec<Tensor<1>>,
}

pub(super) struct Run {
    config: TopKastConfig,
    state: TopKastState,
    stored: Option<Stored>,
}

impl Run {
    pub(super) fn new<M: Module>(config: TopKastConfig, model: &M, masks: Masks) -> Result<Self> {
        let theta = masks.weights(model)?.to_host()?;
        let mut state = TopKastState {
            step: 0,
            forward: masks.clone(),
            backward: masks,
            explored: Exploration::default(),
            theta,
        };
        state.select(&config)?;
        state.explored = Exploration::of(&state.forward);
        Ok(Self {
            config,
            state,
            stored: None,
        })
    }

    pub(super) fn masks(&self) -> (&Masks, &Masks) {
        (&self.state.forward, &self.state.backward)
    }

    pub(super) fn explored(&self) -> f64 {
        self.state.explored.rate()
    }

    pub(super) fn state(&self) -> Result<TopKastState> {
        let mut state = self.state.clone();
        if let Some(stored) = &self.stored {
            state.theta = stored.theta.to_host()?;
        }
        Ok(state)
    }

    pub(super) fn restore(&mut self, state: TopKastState) -> Result<()> {
        let own = &self.state.forward;
        own.same_layers(&state.forward)?;
        own.same_layers(&state.backward)?;
        let sizes = own.layers().iter().map(|mask| mask.active.len());
        if !sizes.eq(state.theta.iter().map(Vec::len)) || !state.explored.fits(own) {
            return Err(PruningError::Mismatch {
                path: "*".into(),
                expected: "stored weights of the same sizes".into(),
                found: "others".into(),
            });
        }
        self.state = state;
        self.stored = None;
        Ok(())
    }

    /// One step; the model comes back whatever happens.
    pub(super) fn advance<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        mut grads: Gradients,
    ) -> (M, Result<()>) {
        let stored = self.stored.take().map_or_else(|| self.store(&model), Ok);
        let stored = match stored.and_then(|stored| {
            self.state.forward.check(&model)?;
            Ok(stored)
        }) {
            Ok(stored) => stored,
            Err(error) => return (grads.step(model, optim, lr), Err(error)),
        };
        grads.zero_where(&model, &stored.outside);
        if self.config.penalty > 0.0 {
            grads.add(&model, &stored.penalty());
        }
        let dense = match stored.theta.write_to(model.clone()) {
            Ok(dense) => dense,
            Err(error) => return (grads.step(model, optim, lr), Err(error.into())),
        };
        let dense = grads.step(dense, optim, lr);
        let settled = self.settle(&dense, stored);
        // What enters the forward set from outside of the backward one has its stored value, not the optimizer's.
        let written = match &self.stored {
            Some(stored) => stored.theta.write_to(dense.clone()),
            None => Ok(dense.clone()),
        };
        match written {
            Ok(model) => (self.state.forward.multiply(model), settled),
            Err(error) => (dense, Err(error.into())),
        }
    }

    /// Takes the stored weights from the model after the optimizer's step, and selects anew when it is time.
    fn settle<M: Module>(&mut self, dense: &M, mut stored: Stored) -> Result<()> {
        self.state.step += 1;
        let moved = self.state.forward.weights(dense)?;
        let mut ids = moved.entries().iter().map(|entry| entry.id);
        stored.theta = moved.clone().zip(&stored.theta, |new, old| {
            let outside = ids.next().and_then(|id| stored.outside.get(&id));
            match outside {
                Some(outside) => new.mask_where(outside.clone(), old),
                None => new,
            }
        })?;
        if self.state.step.is_multiple_of(self.config.update_every) {
            self.state.theta = stored.theta.to_host()?;
            self.state.select(&self.config)?;
            self.state.explored.record(&self.state.forward);
            stored = self.act_on(stored.theta);
        }
        self.stored = Some(stored);
        Ok(())
    }

    /// The stored weights in the device and type of the model's.
    fn store<M: Module>(&self, model: &M) -> Result<Stored> {
        let weights = self.state.forward.weights(model)?;
        let entries = weights.entries().iter().zip(&self.state.theta);
        let entries = entries.map(|(entry, theta)| {
            let data = TensorData::new(theta.clone(), [theta.len()]);
            let tensor = Tensor::<1>::from_data(data, &entry.values.device());
            entry.with_values(tensor.cast(entry.values.dtype()))
        });
        Ok(self.act_on(ParamVector::from_entries(entries.collect())))
    }

    fn act_on(&self, theta: ParamVector) -> Stored {
        let (forward, backward) = (self.state.forward.layers(), self.state.backward.layers());
        let (strength, explore) = (
            self.config.penalty,
            self.config.penalty / self.config.forward,
        );
        let (mut outside, mut pull) = (HashMap::new(), Vec::new());
        for ((entry, a), b) in theta.entries().iter().zip(forward).zip(backward) {
            let (device, size) = (entry.values.device(), [entry.len()]);
            let off: Vec<bool> = b.active.iter().map(|on| !on).collect();
            let off = Tensor::<1, Bool>::from_data(TensorData::new(off, size), &device);
            outside.insert(entry.id, off);
            let factor = a.active.iter().zip(&b.active);
            let factor = factor.map(|(a, b)| match (a, b) {
                (true, _) => strength as f32,
                (false, true) => explore as f32,
                (false, false) => 0.0,
            });
            let data = TensorData::new(factor.collect::<Vec<f32>>(), size);
            pull.push(Tensor::<1>::from_data(data, &device).cast(entry.values.dtype()));
        }
        Stored {
            theta,
            outside,
            pull,
        }
    }
}

impl Stored {
    /// The gradient of the exploration penalty.
    fn penalty(&self) -> HashMap<ParamId, Tensor<1>> {
        let pairs = self.theta.entries().iter().zip(&self.pull);
        pairs
            .map(|(entry, pull)| (entry.id, entry.values.clone() * pull.clone()))
            .collect()
    }
}

impl TopKastState {
    /// Selects both sets by the stored magnitudes, layer by layer.
    fn select(&mut self, config: &TopKastConfig) -> Result<()> {
        let shapes = self.forward.shapes();
        let counts = |share: f64| density::counts(&shapes, &vec![share; shapes.len()]);
        let (forward, backward) = (counts(config.forward), counts(config.backward));
        let (mut inner, mut outer) = (Vec::new(), Vec::new());
        for ((theta, a), b) in self.theta.iter().zip(forward).zip(backward) {
            let size: Vec<f32> = theta.iter().map(|w| w.abs()).collect();
            inner.push(threshold::top_k(&size, a)?);
            outer.push(threshold::top_k(&size, b.max(a))?);
        }
        self.forward.set(inner)?;
        self.backward.set(outer)
    }
}

/// The exploration penalty of one layer: `strength / 2 (sum over A of theta^2 + sum over B \ A of theta^2 / D)`, with
/// `density` the forward density `D` above 0.
#[must_use]
pub fn penalty(
    theta: &[f32],
    forward: &[bool],
    backward: &[bool],
    density: f64,
    strength: f64,
) -> f64 {
    let weights = theta.iter().zip(forward).zip(backward);
    let terms = weights.map(|((w, a), b)| {
        let square = f64::from(*w).powi(2);
        match (a, b) {
            (true, _) => square,
            (false, true) => square / density,
            (false, false) => 0.0,
        }
    });
    0.5 * strength * terms.sum::<f64>()
}
