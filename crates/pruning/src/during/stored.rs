//! Dense weights kept beside a model that shows only some of them.

use std::collections::HashMap;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Bool, Tensor, TensorData};
use regimen_tensor::ParamVector;

use crate::{Masks, PruningError, Result};
use regimen_tensor::training::Gradients;

/// The stored weights and which of them do not learn, on the weights' device.
pub(crate) struct Stored {
    pub(crate) theta: ParamVector,
    outside: HashMap<ParamId, Tensor<1, Bool>>,
}

impl Stored {
    /// These values in the device and type of the model's weights; those that `learning` has on learn.
    pub(crate) fn new<M: Module>(model: &M, theta: &[Vec<f32>], learning: &Masks) -> Result<Self> {
        let theta = on_device(&learning.weights(model)?, theta);
        let mut stored = Self {
            theta,
            outside: HashMap::new(),
        };
        stored.learn_only(learning);
        Ok(stored)
    }

    /// From now on those learn that `learning` has on.
    pub(crate) fn learn_only(&mut self, learning: &Masks) {
        let pairs = self.theta.entries().iter().zip(learning.layers());
        let flags = pairs.map(|(entry, mask)| {
            let off: Vec<bool> = mask.active.iter().map(|on| !on).collect();
            let data = TensorData::new(off, [entry.len()]);
            let off = Tensor::<1, Bool>::from_data(data, &entry.values.device());
            (entry.id, off)
        });
        self.outside = flags.collect();
    }

    /// The optimizer's step on the stored weights. What does not learn gets no gradient and keeps its bits,
    /// whatever the optimizer's momentum or decay would do. The model comes back with all stored weights.
    pub(crate) fn step<M: Module>(
        &mut self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        mut grads: Gradients,
    ) -> (M, Result<()>) {
        let dense = match self.theta.write_to(model.clone()) {
            Ok(dense) => dense,
            Err(error) => return (grads.step(model, optim, lr), Err(error.into())),
        };
        grads.zero_where(&dense, &self.outside);
        let dense = grads.step(dense, optim, lr);
        let moved = self.take(&dense);
        (dense, moved)
    }

    /// Takes what learns from the model.
    fn take<M: Module>(&mut self, model: &M) -> Result<()> {
        let moved = ParamVector::of(model).filter(|entry| self.outside.contains_key(&entry.id));
        let mut ids = moved.entries().iter().map(|entry| entry.id);
        self.theta = moved.clone().zip(&self.theta, |new, old| {
            match ids.next().and_then(|id| self.outside.get(&id)) {
                Some(outside) => new.mask_where(outside.clone(), old),
                None => new,
            }
        })?;
        Ok(())
    }

    /// The model with the stored weights where `forward` is on and zero elsewhere.
    pub(crate) fn show<M: Module>(&self, model: M, forward: &Masks) -> (M, Result<()>) {
        match self.theta.write_to(model.clone()) {
            Ok(dense) => (forward.multiply(dense), Ok(())),
            Err(error) => (model, Err(error.into())),
        }
    }
}

/// Host values, one vector a layer, in the device and type of `like`.
pub(crate) fn on_device(like: &ParamVector, values: &[Vec<f32>]) -> ParamVector {
    let entries = like.entries().iter().zip(values);
    let entries = entries.map(|(entry, values)| {
        let data = TensorData::new(values.clone(), [values.len()]);
        let tensor = Tensor::<1>::from_data(data, &entry.values.device());
        entry.with_values(tensor.cast(entry.values.dtype()))
    });
    ParamVector::from_entries(entries.collect())
}

/// That these values are as many as the masked weights, layer by layer.
pub(crate) fn same_sizes(masks: &Masks, values: &[Vec<f32>]) -> Result<()> {
    let sizes = masks.layers().iter().map(|mask| mask.active.len());
    if sizes.eq(values.iter().map(Vec::len)) {
        return Ok(());
    }
    Err(PruningError::Mismatch {
        path: "*".into(),
        expected: "stored values of the sizes of the masked weights".into(),
        found: "others".into(),
    })
}
