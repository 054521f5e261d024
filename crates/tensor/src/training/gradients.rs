//! # Gradients
//!
//! The gradients of one device or of several, as one argument.

use std::collections::{HashMap, HashSet};

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::{Bool, FloatDType, Tensor};

use crate::error::Result;
use crate::param_vector::ParamVector;

/// The gradients that an optimizer step takes: of one device, or of several, which Burn's optimizer sums.
pub enum Gradients {
    /// Those of `TrainStep::optimize`.
    One(GradientsParams),
    /// Those of `TrainStep::optimize_multi`.
    Many(MultiGradientsParams),
}

impl From<GradientsParams> for Gradients {
    fn from(grads: GradientsParams) -> Self {
        Self::One(grads)
    }
}

impl From<MultiGradientsParams> for Gradients {
    fn from(grads: MultiGradientsParams) -> Self {
        Self::Many(grads)
    }
}

impl Gradients {
    /// The optimizer's step.
    #[must_use]
    pub fn step<M: Module>(
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

    /// The path of the first parameter whose gradient, on any device, is NaN or infinite. A finite sum has finite terms, so
    /// one sum a tensor and one scalar that is read settle it; where the sum is not finite, each tensor is looked at.
    #[must_use]
    pub fn not_finite<M: Module>(&self, model: &M) -> Option<String> {
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
    pub fn zero_where<M: Module>(&mut self, model: &M, flags: &HashMap<ParamId, Tensor<1, Bool>>) {
        for grads in self.parts() {
            model.visit(&mut ZeroWhere { grads, flags });
        }
    }

    /// Adds flat values to the gradients of their parameters: to one device's, since devices are summed.
    pub fn add<M: Module>(&mut self, model: &M, values: &HashMap<ParamId, Tensor<1>>) {
        if let Some(grads) = self.parts().into_iter().next() {
            model.visit(&mut Add { grads, values });
        }
    }

    /// The gradients of all parameters of a module, summed over devices on the module's own; zeros where a parameter has none.
    ///
    /// # Errors
    /// None for gradients of this module.
    pub fn vector<M: Module>(&self, model: &M) -> Result<ParamVector> {
        match self {
            Self::One(grads) => Ok(ParamVector::gradients(model, grads)),
            Self::Many(many) => {
                let own = ParamVector::of(model).zeros_like();
                many.grads.iter().try_fold(own, |sum, (grads, _)| {
                    let part = ParamVector::gradients(model, grads);
                    sum.zip(&part, |sum, part| part.to_device(&sum.device()) + sum)
                })
            }
        }
    }

    /// These values in place of the gradients: of one device from here on. Parameters without a gradient get none.
    #[must_use]
    pub fn replaced<M: Module>(&self, model: &M, values: &ParamVector) -> Self {
        let mut known = HashSet::new();
        let parts: Vec<&GradientsParams> = match self {
            Self::One(grads) => vec![grads],
            Self::Many(many) => many.grads.iter().map(|(grads, _)| grads).collect(),
        };
        for grads in parts {
            model.visit(&mut Known {
                grads,
                known: &mut known,
            });
        }
        Self::One(
            values
                .filter(|entry| known.contains(&entry.id))
                .into_gradients(),
        )
    }

    fn parts(&mut self) -> Vec<&mut GradientsParams> {
        match self {
            Self::One(grads) => vec![grads],
            Self::Many(many) => many.grads.iter_mut().map(|(grads, _)| grads).collect(),
        }
    }
}

/// The parameters that have a gradient.
struct Known<'a> {
    grads: &'a GradientsParams,
    known: &'a mut HashSet<ParamId>,
}

impl ModuleVisitor for Known<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.grads.get::<D>(param.id).is_some() {
            self.known.insert(param.id);
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
