//! The gradients of one device or of several, as one argument.

use std::collections::HashMap;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::{Bool, Tensor};
use regimen_tensor::ParamVector;

use crate::{Masks, Result};

/// The gradients of one device or of several.
pub(crate) enum Gradients {
    One(GradientsParams),
    Many(MultiGradientsParams),
}

impl Gradients {
    /// The optimizer's step.
    pub(crate) fn step<M: Module>(
        self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
    ) -> M {
        match self {
            Self::One(grads) => optim.step(lr, model, grads),
            Self::Many(grads) => optim.step_multi(lr, model, grads),
        }
    }

    /// The gradients of the masked weights, summed over devices on the first one.
    pub(crate) fn masked<M: Module>(&self, model: &M, masks: &Masks) -> Result<ParamVector> {
        let read = |grads: &GradientsParams| masks.select(&ParamVector::gradients(model, grads));
        match self {
            Self::One(grads) => read(grads),
            Self::Many(many) => {
                let mut parts = many.grads.iter().map(|(grads, _)| read(grads));
                let first = parts
                    .next()
                    .unwrap_or_else(|| read(&GradientsParams::new()))?;
                parts.try_fold(first, |sum, part| {
                    Ok(sum.zip(&part?, |sum, part| part.to_device(&sum.device()) + sum)?)
                })
            }
        }
    }

    /// The gradients of the masked weights on the host, summed over devices.
    pub(crate) fn dense<M: Module>(&self, model: &M, masks: &Masks) -> Result<Vec<Vec<f32>>> {
        Ok(self.masked(model, masks)?.to_host()?)
    }

    /// Zeroes the gradients where a parameter's flags, flat and off the tape, are on.
    pub(crate) fn zero_where<M: Module>(
        &mut self,
        model: &M,
        flags: &HashMap<ParamId, Tensor<1, Bool>>,
    ) {
        for grads in self.parts() {
            model.visit(&mut ZeroWhere { grads, flags });
        }
    }

    /// Adds flat values to the gradients of their parameters: to one device's, since devices are summed.
    pub(crate) fn add<M: Module>(&mut self, model: &M, values: &HashMap<ParamId, Tensor<1>>) {
        if let Some(grads) = self.parts().into_iter().next() {
            model.visit(&mut Add { grads, values });
        }
    }

    fn parts(&mut self) -> Vec<&mut GradientsParams> {
        match self {
            Self::One(grads) => vec![grads],
            Self::Many(many) => many.grads.iter_mut().map(|(grads, _)| grads).collect(),
        }
    }
}

struct ZeroWhere<'a> {
    grads: &'a mut GradientsParams,
    flags: &'a HashMap<ParamId, Tensor<1, Bool>>,
}

impl ModuleVisitor for ZeroWhere<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(flags) = self.flags.get(&param.id) else {
            return;
        };
        let Some(gradient) = self.grads.remove::<D>(param.id) else {
            return;
        };
        let flags = flags.clone().to_device(&gradient.device());
        let flags = flags.reshape(gradient.shape());
        self.grads
            .register(param.id, gradient.mask_fill(flags, 0.0));
    }
}

struct Add<'a> {
    grads: &'a mut GradientsParams,
    values: &'a HashMap<ParamId, Tensor<1>>,
}

impl ModuleVisitor for Add<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(values) = self.values.get(&param.id) else {
            return;
        };
        let values = values.clone().reshape(param.val().shape());
        let sum = match self.grads.remove::<D>(param.id) {
            Some(gradient) => values.to_device(&gradient.device()) + gradient,
            None => values,
        };
        self.grads.register(param.id, sum);
    }
}
