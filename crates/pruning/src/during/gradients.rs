//! The gradients of one device or of several, as one argument.

use std::collections::HashMap;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::{Bool, FloatDType, Tensor};
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

    /// The gradients of the masked weights for a decision, flat, one a layer; none of each if nothing looks at them.
    pub(crate) fn dense<M: Module>(
        &self,
        model: &M,
        masks: &Masks,
        wanted: bool,
    ) -> Result<Vec<Option<Tensor<1>>>> {
        if !wanted {
            return Ok(vec![None; masks.layers().len()]);
        }
        let masked = self.masked(model, masks)?;
        let values = masked
            .entries()
            .iter()
            .map(|entry| Some(entry.values.clone()));
        Ok(values.collect())
    }

    /// The path of the first parameter whose gradient, on any device, is NaN or infinite. A finite sum has finite terms, so
    /// one sum a tensor and one scalar that is read settle it; where the sum is not finite, each tensor is looked at.
    pub(crate) fn not_finite<M: Module>(&self, model: &M) -> Option<String> {
        let parts: Vec<&GradientsParams> = match self {
            Self::One(grads) => vec![grads],
            Self::Many(many) => many.grads.iter().map(|(grads, _)| grads).collect(),
        };
        let sums = |grads: &GradientsParams| {
            let mut visitor = Sums { grads, sum: None };
            model.visit(&mut visitor);
            visitor.sum
        };
        let total = parts.iter().filter_map(|grads| sums(grads));
        let total = total.reduce(|sum, part| part.to_device(&sum.device()) + sum)?;
        if total.into_scalar::<f32>().is_finite() {
            return None;
        }
        parts.into_iter().find_map(|grads| {
            let mut visitor = FirstNotFinite {
                grads,
                path: Vec::new(),
                found: None,
            };
            model.visit(&mut visitor);
            visitor.found
        })
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

/// The sum of all gradients, in single precision.
struct Sums<'a> {
    grads: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Sums<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.grads.get::<D>(param.id) else {
            return;
        };
        let sum = gradient.cast(FloatDType::F32).sum();
        self.sum = Some(match self.sum.take() {
            Some(before) => before.to_device(&sum.device()) + sum,
            None => sum,
        });
    }
}

struct FirstNotFinite<'a> {
    grads: &'a GradientsParams,
    path: Vec<String>,
    found: Option<String>,
}

impl ModuleVisitor for FirstNotFinite<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.found.is_some() {
            return;
        }
        let gradient = self.grads.get::<D>(param.id);
        if gradient.is_some_and(|gradient| !gradient.is_finite().all().into_scalar::<bool>()) {
            self.found = Some(self.path.join("."));
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
