//! Gradients of several batches for one step.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;

/// The gradients since the last step.
pub(super) struct Window<M> {
    sum: GradientsAccumulator<M>,
    pub(super) count: usize,
}

impl<M: Module> Window<M> {
    pub(super) fn new() -> Self {
        let (sum, count) = (GradientsAccumulator::new(), 0);
        Self { sum, count }
    }

    pub(super) fn push(&mut self, model: &M, grads: GradientsParams) {
        self.sum.accumulate(model, grads);
        self.count += 1;
    }

    /// The mean of the gradients; the window is empty afterwards.
    pub(super) fn mean(&mut self, model: &M) -> GradientsParams {
        let grads = self.sum.grads();
        let count = std::mem::take(&mut self.count);
        if count <= 1 {
            return grads;
        }
        let mut scale = Scale {
            grads,
            factor: 1.0 / count as f64,
            done: HashSet::new(),
        };
        model.visit(&mut scale);
        scale.grads
    }
}

struct Scale {
    grads: GradientsParams,
    factor: f64,
    /// A parameter that two layers share is visited twice.
    done: HashSet<ParamId>,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.done.insert(param.id) {
            return;
        }
        if let Some(gradient) = self.grads.remove::<D>(param.id) {
            self.grads.register(param.id, gradient * self.factor);
        }
    }
}
