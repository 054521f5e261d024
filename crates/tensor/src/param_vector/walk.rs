//! Between a module's parameters, of any rank, and flat entries.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Shape, Tensor};

use super::entry::ParamEntry;

/// Visits float parameters with their path and turns each into an entry.
struct Walk<F> {
    path: Vec<String>,
    entries: Vec<ParamEntry>,
    values: F,
}

/// What a walk takes from a parameter: its value or its gradient.
trait Take {
    fn take<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) -> Option<Tensor<D>>;
}

impl<F: Take> ModuleVisitor for Walk<F> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if let Some(tensor) = self.values.take(&path, param) {
            let shape: Vec<usize> = tensor.dims().to_vec();
            let count = shape.iter().product::<usize>();
            self.entries.push(ParamEntry {
                id: param.id,
                path,
                values: tensor.reshape([count]),
                shape,
                dtype: param.val().dtype(),
            });
        }
    }
}

fn walk<M: Module>(module: &M, values: impl Take) -> Vec<ParamEntry> {
    let mut visitor = Walk {
        path: Vec::new(),
        entries: Vec::new(),
        values,
    };
    module.visit(&mut visitor);
    visitor.entries
}

pub(super) fn values<M: Module>(module: &M, group: &ParamGroup) -> Vec<ParamEntry> {
    struct Values<'a>(&'a ParamGroup);
    impl Take for Values<'_> {
        fn take<const D: usize>(
            &mut self,
            path: &str,
            param: &Param<Tensor<D>>,
        ) -> Option<Tensor<D>> {
            let selected = self.0.matches(&param.id, Some(path));
            selected.then(|| param.val().inner())
        }
    }
    walk(module, Values(group))
}

/// The ids of a module's running statistics, such as those of batch norm.
///
/// A visit shows them like parameters. They are told apart by what only a parameter can do: in a copy whose
/// parameters are all unfrozen, a statistic still requires no gradient.
pub(super) fn buffers<M: Module>(module: &M) -> HashSet<ParamId> {
    struct Untracked(HashSet<ParamId>);
    impl ModuleVisitor for Untracked {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !param.is_require_grad() {
                self.0.insert(param.id);
            }
        }
    }
    let mut untracked = Untracked(HashSet::new());
    module.valid().unfreeze().train().visit(&mut untracked);
    untracked.0
}

pub(super) fn gradients<M: Module>(module: &M, grads: &GradientsParams) -> Vec<ParamEntry> {
    struct Gradients<'a>(&'a GradientsParams);
    impl Take for Gradients<'_> {
        fn take<const D: usize>(&mut self, _: &str, param: &Param<Tensor<D>>) -> Option<Tensor<D>> {
            let gradient = self.0.get::<D>(param.id);
            Some(gradient.unwrap_or_else(|| param.val().inner().zeros_like()))
        }
    }
    walk(module, Gradients(grads))
}

/// Writes entries into parameters of the same id; shapes have been checked.
pub(super) fn write<M: Module>(module: M, entries: &[ParamEntry]) -> M {
    struct Write<'a>(HashMap<ParamId, &'a Tensor<1>>);
    impl ModuleMapper for Write<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(values) = self.0.get(&param.id) else {
                return param;
            };
            param.map(|old| {
                let new = (*values).clone().reshape(old.shape());
                let new = new.to_device(&old.device().inner()).cast(old.dtype());
                if !old.is_autodiff() {
                    return new;
                }
                let tracked = old.is_require_grad();
                let new = Tensor::from_inner(new);
                if tracked { new.require_grad() } else { new }
            })
        }
    }
    let values = entries.iter().map(|entry| (entry.id, &entry.values));
    module.map(&mut Write(values.collect()))
}

pub(super) fn into_gradients(entries: Vec<ParamEntry>) -> GradientsParams {
    let mut grads = GradientsParams::new();
    for entry in entries {
        register(&mut grads, entry);
    }
    grads
}

/// Registers a flat entry under the rank that its parameter has.
fn register(grads: &mut GradientsParams, entry: ParamEntry) {
    let ParamEntry {
        id,
        shape,
        values,
        dtype,
        ..
    } = entry;
    let values = values.cast(dtype);
    macro_rules! rank {
        ($($d:literal),*) => {
            match shape.len() {
                $($d => grads.register::<$d>(id, values.reshape(Shape::from(shape))),)*
                _ => unreachable!("Burn's tensors have at most eight dimensions"),
            }
        };
    }
    rank!(0, 1, 2, 3, 4, 5, 6, 7, 8);
}
