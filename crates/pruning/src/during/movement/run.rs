//! The step of movement pruning, and what it keeps.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{FloatDType, Tensor};
use regimen_schedules::Schedule;
use regimen_tensor::checked::Checked;
use regimen_tensor::{ParamVector, checked_serde, threshold};
use serde::{Deserialize, Serialize};

use super::config::MovementConfig;
use crate::during::gradients::masked;
use crate::during::handle::Stepper;
use crate::during::stored::{Stored, on_device, same_sizes};
use crate::error::counter;
use crate::mask::density;
use crate::rules::finite;
use crate::{CubicSparsity, Masks, PruningError, Result};
use regimen_tensor::training::Gradients;

/// All that movement pruning needs besides model and optimizer to go on where it stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct MovementState {
    step: usize,
    /// A selection is to be made up for, because the step's gradient was not finite.
    #[serde(default)]
    put_off: bool,
    masks: Masks,
    /// The stored weights.
    #[serde(with = "crate::floats")]
    theta: Vec<Vec<f32>>,
    #[serde(with = "crate::floats")]
    scores: Vec<Vec<f32>>,
}

impl Checked for MovementState {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        counter("step", self.step)?;
        Checked::check(&self.masks)?;
        same_sizes(&self.masks, &self.theta)?;
        same_sizes(&self.masks, &self.scores)
    }
}
checked_serde!(MovementState);

/// Stored weights and scores on the weights' device.
struct Acting {
    stored: Stored,
    scores: ParamVector,
}

pub(super) struct Run {
    config: MovementConfig,
    sparsity: CubicSparsity,
    state: MovementState,
    acting: Option<Acting>,
    /// The state was restored, and has not met the model yet.
    unbound: bool,
}

impl Run {
    pub(super) fn new<M: Module>(
        config: MovementConfig,
        sparsity: CubicSparsity,
        model: &M,
        masks: Masks,
    ) -> Result<Self> {
        let theta = masks.weights(model)?.to_host()?;
        let scores = theta.iter().map(|layer| vec![0.0; layer.len()]).collect();
        let state = MovementState {
            step: 0,
            put_off: false,
            masks,
            theta,
            scores,
        };
        Ok(Self {
            config,
            sparsity,
            state,
            acting: None,
            unbound: false,
        })
    }

    pub(super) fn masks(&self) -> &Masks {
        &self.state.masks
    }

    pub(super) fn scores(&self) -> Result<Vec<Vec<f32>>> {
        match &self.acting {
            Some(acting) => Ok(acting.scores.to_host()?),
            None => Ok(self.state.scores.clone()),
        }
    }

    pub(super) fn state(&self) -> Result<MovementState> {
        let mut state = self.state.clone();
        if let Some(acting) = &self.acting {
            state.theta = acting.stored.theta.to_host()?;
            state.scores = acting.scores.to_host()?;
        }
        Ok(state)
    }

    pub(super) fn restore(&mut self, state: MovementState) -> Result<()> {
        let own = &self.state.masks;
        own.same_layers(&state.masks)?;
        Checked::check(&state)?;
        self.state = state;
        self.acting = None;
        self.unbound = true;
        Ok(())
    }

    /// Takes the tensors, or makes them, and adds this step's movement to the scores.
    fn observe<M: Module>(&mut self, model: &M, grads: &Gradients) -> Result<Acting> {
        if self.unbound {
            self.state.masks.bind(model)?;
            self.unbound = false;
        }
        let state = &self.state;
        let gradients = masked(grads, model, &state.masks)?;
        let mut acting = match self.acting.take() {
            Some(acting) => acting,
            None => {
                let stored = Stored::new(model, &state.theta, &state.masks)?;
                let single = |_: &_, values: Tensor<1>| values.cast(FloatDType::F32);
                let like = stored.theta.clone().map(single);
                let scores = on_device(&like, &state.scores);
                Acting { stored, scores }
            }
        };
        let moved = gradients.zip(&acting.stored.theta, |gradient, weights| {
            gradient.cast(FloatDType::F32) * weights.cast(FloatDType::F32)
        })?;
        acting.scores = acting.scores.sub(&moved)?;
        Ok(acting)
    }

    /// Counts the step, and says whether it selects.
    fn count(&mut self) -> bool {
        let state = &mut self.state;
        state.step += 1;
        let due = state.step.is_multiple_of(self.config.update_every);
        let due = due || state.step == self.config.ends() || std::mem::take(&mut state.put_off);
        due && self.sparsity.at(state.step) > 0.0
    }

    /// Counts the step, and selects anew when it is time.
    fn settle(&mut self, acting: &mut Acting) -> Result<()> {
        if !self.count() {
            return Ok(());
        }
        let state = &mut self.state;
        let sparsity = self.sparsity.at(state.step);
        let scores = acting.scores.entries().iter();
        let scores = scores.map(|entry| entry.values.clone()).collect();
        let kept = match select(&state.masks, scores, sparsity, self.config.global) {
            Ok(kept) => kept,
            Err(error) => {
                // Names the weight whose score is not finite, if that is what went wrong.
                finite(state.step, &state.masks, &acting.scores.to_host()?)?;
                return Err(error);
            }
        };
        state.masks.set(kept)?;
        acting.stored.learn_only(&state.masks);
        tracing::debug!(step = state.step, sparsity, "weights selected by movement");
        Ok(())
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
        grads: Gradients,
    ) -> (M, Result<()>) {
        let mut acting = match self.observe(&model, &grads) {
            Ok(acting) => acting,
            Err(error) => return (grads.step(model, optim, lr), Err(error)),
        };
        let (model, stepped) = acting.stored.step(model, optim, lr, grads);
        let settled = stepped.and_then(|()| self.settle(&mut acting));
        let (model, shown) = acting.stored.show(model, &self.state.masks);
        self.acting = Some(acting);
        (model, settled.and(shown))
    }
}

/// The weights of largest score, chosen on their device: the same share of each layer, or of all together.
fn select(
    masks: &Masks,
    scores: Vec<Tensor<1>>,
    sparsity: f64,
    global: bool,
) -> Result<Vec<Vec<bool>>> {
    let kept = if global {
        threshold::largest(scores, density::keep(masks.total(), sparsity))?
    } else {
        let shapes = masks.shapes();
        let counts = density::counts(&shapes, &vec![1.0 - sparsity; shapes.len()]);
        let layers = scores.into_iter().zip(counts);
        let layers = layers.map(|(scores, keep)| threshold::largest(vec![scores], keep));
        layers.collect::<Result<Vec<_>, _>>()?.concat()
    };
    kept.into_iter()
        .map(|kept| Ok(threshold::flags(kept)?))
        .collect()
}
