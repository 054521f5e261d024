//! The path that weights take through a task: the gradient of the task's loss, how far each update moved them, and what methods keep that
//! follow it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::PartError;
use regimen_tensor::training::Gradients;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::penalties::Quadratic;
use crate::saved::Saved;
use crate::strategy::{Shared, zero};

/// What an update gathers.
#[derive(Debug, Default)]
struct Path {
    /// Micro-batches whose loss got the penalty since the last update.
    penalties: usize,
    /// The gradient of the task's loss, and the weights before the update.
    pending: Option<(ParamVector, ParamVector)>,
}

/// The state of a method that follows the path, with `X` of its own.
pub(super) struct Walked<X> {
    pub(super) space: ParamVector,
    pub(super) tasks: usize,
    pub(super) held: Option<Quadratic>,
    /// The weights before the first update that counts.
    pub(super) start: Option<ParamVector>,
    path: Path,
    pub(super) own: X,
}

/// What is saved beside the vectors.
#[derive(Serialize, Deserialize)]
struct Plain<P> {
    step: usize,
    tasks: usize,
    constant: Option<f64>,
    own: P,
}

impl<X> Walked<X> {
    pub(super) fn new(space: ParamVector, own: X) -> Self {
        Self {
            space,
            tasks: 0,
            held: None,
            start: None,
            path: Path::default(),
            own,
        }
    }

    /// A task has ended: this is held from here on, and a new way starts.
    pub(super) fn hold(&mut self, held: Quadratic) {
        (self.held, self.start) = (Some(held), None);
        self.tasks += 1;
    }

    /// The gradient that was noted, and how far the update moved the weights.
    fn moved<M: Module>(&mut self, model: &M) -> Result<Option<(ParamVector, ParamVector)>> {
        let Some((gradient, point)) = self.path.pending.take() else {
            return Ok(None);
        };
        let moved = ParamVector::of(model).widened().sub(&point)?;
        Ok(Some((gradient, moved)))
    }
}

impl<X> Shared<Walked<X>> {
    /// `strength` times what is held, at the model's weights, for one micro-batch; zero in the first task.
    pub(super) fn penalty<M: Module>(
        &self,
        model: &M,
        strength: f64,
        device: &Device,
    ) -> Result<Tensor<1>> {
        let held = {
            let mut state = self.lock();
            state.path.penalties += 1;
            state.held.clone()
        };
        match held {
            Some(held) => Ok(held.at(model)? * strength),
            None => Ok(zero(device)),
        }
    }

    /// Notes the weights, and the gradient of the task's loss alone: `factor * held` was added to the loss of each micro-batch.
    pub(super) fn before<M: Module>(
        &self,
        model: &M,
        grads: &Gradients,
        factor: f64,
    ) -> Result<()> {
        let mut state = self.lock();
        let point = ParamVector::of(model).widened();
        let gradient = grads.vector(model)?.widened();
        let penalties = std::mem::take(&mut state.path.penalties) as f64;
        let gradient = match &state.held {
            Some(held) => gradient.axpy(-factor * penalties, &held.gradient(&point)?)?,
            None => gradient,
        };
        state.path.pending = Some((gradient, point.clone()));
        if state.start.is_none() {
            state.start = Some(point.rebound(&state.space)?);
        }
        Ok(())
    }

    /// Has the method `add` an update: the gradient that was noted, and how far the weights moved. The model comes back.
    pub(super) fn after<M: Module>(
        &self,
        model: M,
        add: impl FnOnce(&mut Walked<X>, &M, ParamVector, ParamVector) -> Result<()>,
    ) -> (M, Result<()>) {
        let state = &mut *self.lock();
        let result = match state.moved(&model) {
            Ok(Some((gradient, moved))) => add(state, &model, gradient, moved),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        (model, result)
    }

    /// The step is left out.
    pub(super) fn leave_out(&self) {
        self.lock().path = Path::default();
    }

    /// The state: `plain` gives what is plain data of the method's own, and `vectors` adds the rest.
    pub(super) fn save<P: Serialize>(
        &self,
        plain: impl FnOnce(&X) -> P,
        vectors: impl FnOnce(&X, Saved) -> Result<Saved>,
    ) -> Result<Vec<u8>, PartError> {
        let state = self.lock();
        let saved = Saved::new(&Plain {
            step: self.steps.taken(),
            tasks: state.tasks,
            constant: state.held.as_ref().map(Quadratic::constant),
            own: plain(&state.own),
        })?;
        let saved = vectors(&state.own, saved.with_held(state.held.as_ref())?)?;
        let saved = match &state.start {
            Some(start) => saved.with("start", start)?,
            None => saved,
        };
        Ok(saved.to_bytes()?)
    }

    /// Restores a state: `own` makes the method's own of what was saved. On an error nothing is changed.
    pub(super) fn load<P: DeserializeOwned>(
        &self,
        bytes: &[u8],
        own: impl FnOnce(P, &Saved, &ParamVector) -> Result<X>,
    ) -> Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let plain: Plain<P> = saved.state()?;
        let mut state = self.lock();
        let held = saved.held(plain.constant, &state.space)?;
        let start = saved.vector("start", &state.space)?;
        state.own = own(plain.own, &saved, &state.space)?;
        (state.held, state.start, state.tasks) = (held, start, plain.tasks);
        state.path = Path::default();
        self.steps.restore(plain.step);
        Ok(())
    }
}
