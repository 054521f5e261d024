//! The step of Top-KAST, and what it keeps.

use std::collections::HashMap;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Tensor, TensorData};
use regimen_tensor::checked::Checked;
use regimen_tensor::{ParamVector, checked_serde, threshold};
use serde::{Deserialize, Serialize};

use super::config::TopKastConfig;
use crate::during::handle::Stepper;
use crate::during::stored::{Stored, same_sizes};
use crate::error::counter;
use crate::mask::density;
use crate::rules::finite_on_device;
use crate::{Exploration, Masks, PruningError, Result};
use regimen_tensor::training::Gradients;

/// All that Top-KAST needs besides model and optimizer to go on where it stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct TopKastState {
    step: usize,
    /// A selection is to be made up for, because the step's gradient was not finite.
    #[serde(default)]
    put_off: bool,
    forward: Masks,
    backward: Masks,
    explored: Exploration,
    /// The stored weights.
    #[serde(with = "crate::floats")]
    theta: Vec<Vec<f32>>,
}

impl Checked for TopKastState {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        counter("step", self.step)?;
        Checked::check(&self.forward)?;
        Checked::check(&self.backward)?;
        self.forward.same_layers(&self.backward)?;
        same_sizes(&self.forward, &self.theta)?;
        let sets = self.forward.layers().iter().zip(self.backward.layers());
        for (forward, backward) in sets {
            let mut pairs = forward.active.iter().zip(&backward.active);
            if pairs.any(|(inner, outer)| *inner && !outer) {
                return Err(PruningError::Mismatch {
                    path: forward.path.clone(),
                    expected: "a forward set inside of the backward set".into(),
                    found: "a weight outside of it".into(),
                });
            }
        }
        self.explored.check_of(&self.forward)
    }
}
checked_serde!(TopKastState);

/// What acts on the model: the stored weights and the penalty's factor of each.
struct Acting {
    stored: Stored,
    pull: Vec<Tensor<1>>,
}

pub(super) struct Run {
    config: TopKastConfig,
    state: TopKastState,
    acting: Option<Acting>,
    /// The state was restored, and has not met the model yet.
    unbound: bool,
}

impl Run {
    pub(super) fn new<M: Module>(config: TopKastConfig, model: &M, masks: Masks) -> Result<Self> {
        let weights = masks.weights(model)?;
        finite_on_device(0, &masks, &weights)?;
        let theta = weights.to_host()?;
        let mut state = TopKastState {
            step: 0,
            put_off: false,
            forward: masks.clone(),
            backward: masks,
            explored: Exploration::default(),
            theta,
        };
        state.select(&config, &weights)?;
        state.explored = Exploration::of(&state.forward);
        Ok(Self {
            config,
            state,
            acting: None,
            unbound: false,
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
        if let Some(acting) = &self.acting {
            state.theta = acting.stored.theta.to_host()?;
        }
        Ok(state)
    }

    pub(super) fn restore(&mut self, state: TopKastState) -> Result<()> {
        let own = &self.state.forward;
        own.same_layers(&state.forward)?;
        Checked::check(&state)?;
        self.state = state;
        if !self.state.explored.fits(&self.state.forward) {
            self.state.explored = Exploration::of(&self.state.forward);
        }
        self.acting = None;
        self.unbound = true;
        Ok(())
    }

    /// Has a restored state's sets name the parameters of this model.
    pub(super) fn bind<M: Module>(&mut self, model: &M) -> Result<()> {
        if self.unbound {
            self.state.forward.bind(model)?;
            self.state.backward.bind(model)?;
            self.unbound = false;
        }
        Ok(())
    }

    fn acting<M: Module>(&mut self, model: &M) -> Result<Acting> {
        self.bind(model)?;
        self.state.forward.check(model)?;
        if let Some(acting) = self.acting.take() {
            return Ok(acting);
        }
        let stored = Stored::new(model, &self.state.theta, &self.state.backward)?;
        let pull = self.pull(&stored.theta);
        Ok(Acting { stored, pull })
    }

    /// Counts the step, and says whether it selects.
    fn count(&mut self) -> bool {
        let state = &mut self.state;
        state.step += 1;
        state.step.is_multiple_of(self.config.update_every) || std::mem::take(&mut state.put_off)
    }

    /// Counts the step, and selects anew when it is time.
    fn settle(&mut self, acting: &mut Acting) -> Result<()> {
        if self.count() {
            let theta = &acting.stored.theta;
            finite_on_device(self.state.step, &self.state.forward, theta)?;
            self.state.select(&self.config, theta)?;
            self.state.explored.record(&self.state.forward);
            acting.stored.learn_only(&self.state.backward);
            acting.pull = self.pull(&acting.stored.theta);
        }
        Ok(())
    }

    /// The penalty's factor of each weight.
    fn pull(&self, theta: &ParamVector) -> Vec<Tensor<1>> {
        let (forward, backward) = (self.state.forward.layers(), self.state.backward.layers());
        let strength = self.config.penalty;
        let explore = strength / self.config.forward;
        let layers = theta.entries().iter().zip(forward).zip(backward);
        let factors = layers.map(|((entry, a), b)| {
            let factor = a.active.iter().zip(&b.active);
            let factor = factor.map(|(a, b)| match (a, b) {
                (true, _) => strength as f32,
                (false, true) => explore as f32,
                (false, false) => 0.0,
            });
            let data = TensorData::new(factor.collect::<Vec<f32>>(), [entry.len()]);
            Tensor::<1>::from_data(data, &entry.values.device()).cast(entry.values.dtype())
        });
        factors.collect()
    }
}

impl Stepper for Run {
    fn leave_out(&mut self) -> usize {
        self.state.put_off = self.count();
        self.state.step
    }

    fn advance<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        mut grads: Gradients,
    ) -> (M, Result<()>) {
        let mut acting = match self.acting(&model) {
            Ok(acting) => acting,
            Err(error) => return (grads.step(model, optim, lr), Err(error)),
        };
        if self.config.penalty > 0.0 {
            grads.add(&model, &acting.penalty());
        }
        let (model, stepped) = acting.stored.step(model, optim, lr, grads);
        let settled = stepped.and_then(|()| self.settle(&mut acting));
        // What enters the forward set from outside of the backward one has its stored value, not the optimizer's.
        let (model, shown) = acting.stored.show(model, &self.state.forward);
        self.acting = Some(acting);
        (model, settled.and(shown))
    }
}

impl Acting {
    /// The gradient of the exploration penalty.
    fn penalty(&self) -> HashMap<ParamId, Tensor<1>> {
        let pairs = self.stored.theta.entries().iter().zip(&self.pull);
        pairs
            .map(|(entry, pull)| (entry.id, entry.values.clone() * pull.clone()))
            .collect()
    }
}

impl TopKastState {
    /// Selects both sets by the stored magnitudes, layer by layer, on the weights' device.
    fn select(&mut self, config: &TopKastConfig, theta: &ParamVector) -> Result<()> {
        let shapes = self.forward.shapes();
        let counts = |share: f64| density::counts(&shapes, &vec![share; shapes.len()]);
        let (forward, backward) = (counts(config.forward), counts(config.backward));
        let (mut inner, mut outer) = (Vec::new(), Vec::new());
        let largest = |theta: &Tensor<1>, keep: usize| -> Result<Vec<bool>> {
            let mut kept = threshold::largest(vec![theta.clone().abs()], keep)?;
            Ok(threshold::flags(kept.swap_remove(0))?)
        };
        for ((entry, a), b) in theta.entries().iter().zip(forward).zip(backward) {
            inner.push(largest(&entry.values, a)?);
            outer.push(largest(&entry.values, b.max(a))?);
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
