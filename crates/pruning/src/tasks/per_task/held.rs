//! The tensors that hold used weights still, and the writing of stored values into a model.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Bool, Tensor, TensorData};
use regimen_tensor::{ParamEntry, ParamVector};

use crate::{Masks, Result};

/// Which weights belong to finished tasks, and their values, on the weights' devices.
pub(super) struct Held {
    /// Used weights: no gradient.
    pub(super) used: HashMap<ParamId, Tensor<1, Bool>>,
    /// Used weights that the present mask has on, with all stored values.
    active: HashMap<ParamId, (Tensor<1, Bool>, Tensor<1>)>,
}

impl Held {
    /// For the weights of a model in the order of `masks`.
    pub(super) fn new(
        weights: &ParamVector,
        masks: &Masks,
        used: &[Vec<bool>],
        store: &[Vec<f32>],
    ) -> Self {
        let mut held = Self {
            used: HashMap::new(),
            active: HashMap::new(),
        };
        let parts = weights.entries().iter().zip(masks.layers());
        for ((entry, mask), (used, store)) in parts.zip(used.iter().zip(store)) {
            if !used.contains(&true) {
                continue;
            }
            let both = used.iter().zip(&mask.active).map(|(u, a)| *u && *a);
            let device = entry.values.device();
            let flags = |flags: Vec<bool>| {
                let data = TensorData::new(flags, [used.len()]);
                Tensor::<1, Bool>::from_data(data, &device)
            };
            let both = flags(both.collect());
            held.used.insert(entry.id, flags(used.clone()));
            held.active.insert(entry.id, (both, like(entry, store)));
        }
        held
    }

    /// Puts the stored bits back where a used weight is active.
    pub(super) fn put_back<M: Module>(&self, model: M) -> M {
        model.map(&mut PutBack(&self.active))
    }
}

struct PutBack<'a>(&'a HashMap<ParamId, (Tensor<1, Bool>, Tensor<1>)>);

impl ModuleMapper for PutBack<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((flags, store)) = self.0.get(&param.id) else {
            return param;
        };
        param.map(|weights| {
            let flags = flags.clone().reshape(weights.shape());
            let store = store.clone().reshape(weights.shape());
            if !weights.is_autodiff() {
                return weights.mask_where(flags, store);
            }
            let tracked = weights.is_require_grad();
            let weights = Tensor::from_inner(weights.inner().mask_where(flags, store));
            if tracked {
                weights.require_grad()
            } else {
                weights
            }
        })
    }
}

/// Host values as a tensor of the entry's device and type.
fn like(entry: &ParamEntry, values: &[f32]) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::<1>::from_data(data, &entry.values.device()).cast(entry.values.dtype())
}

/// Writes stored values into the masked weights, zero where the masks are off, and into all other parameters.
pub(super) fn write<M: Module>(
    model: M,
    masks: &Masks,
    store: &[Vec<f32>],
    rest: &[Vec<f32>],
) -> Result<M> {
    let all = ParamVector::state(&model);
    let weights = masks.select(&all)?;
    let pairs = weights.entries().iter().zip(masks.layers()).zip(store);
    let mut entries: Vec<ParamEntry> = pairs
        .map(|((entry, mask), store)| {
            let values = store.iter().zip(&mask.active);
            let values: Vec<f32> = values.map(|(w, on)| if *on { *w } else { 0.0 }).collect();
            entry.with_values(like(entry, &values))
        })
        .collect();
    let others = masks.others(&all);
    let pairs = others.entries().iter().zip(rest);
    entries.extend(pairs.map(|(entry, values)| entry.with_values(like(entry, values))));
    Ok(ParamVector::from_entries(entries).write_to(model)?)
}
