//! The path that weights take through a task: the gradient of the task's loss, and how far each update moved them.

use burn::module::Module;
use regimen_tensor::ParamVector;
use regimen_tensor::training::Gradients;

use crate::Result;
use crate::penalties::Quadratic;

/// What an update gathers.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// Micro-batches whose loss got the penalty since the last update.
    penalties: usize,
    /// The gradient of the task's loss, and the weights before the update.
    pending: Option<(ParamVector, ParamVector)>,
}

impl Path {
    /// A micro-batch's loss gets the penalty.
    pub(super) fn penalised(&mut self) {
        self.penalties += 1;
    }

    /// Notes the gradient of the task's loss alone: `strength * held` was added to the loss of each micro-batch, times `scale`.
    pub(super) fn before<M: Module>(
        &mut self,
        model: &M,
        grads: &Gradients,
        held: Option<&Quadratic>,
        factor: f64,
    ) -> Result<ParamVector> {
        let point = ParamVector::of(model).widened();
        let gradient = grads.vector(model)?.widened();
        let penalties = std::mem::take(&mut self.penalties) as f64;
        let gradient = match held {
            Some(held) => gradient.axpy(-factor * penalties, &held.gradient(&point)?)?,
            None => gradient,
        };
        self.pending = Some((gradient, point.clone()));
        Ok(point)
    }

    /// The gradient that was noted, and how far the update moved the weights.
    pub(super) fn after<M: Module>(
        &mut self,
        model: &M,
    ) -> Result<Option<(ParamVector, ParamVector)>> {
        let Some((gradient, point)) = self.pending.take() else {
            return Ok(None);
        };
        let moved = ParamVector::of(model).widened().sub(&point)?;
        Ok(Some((gradient, moved)))
    }

    /// The step is left out.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
