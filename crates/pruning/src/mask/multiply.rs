//! What masks do to weights: zero where they are off, on the weights' device.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{ModuleMapper, Param, ParamId};
use burn::tensor::{Bool, Tensor, TensorData};
use rayon::prelude::*;
use regimen_tensor::memory::{on_host, zero_off};

use super::Mask;

/// The flags of what is off, one tensor a parameter and device.
type Flags = HashMap<ParamId, Vec<Tensor<1, Bool>>>;

/// What is off, on the devices, filled on demand; a clone starts empty.
#[derive(Default)]
pub(super) struct Tensors(Mutex<Flags>);

impl Tensors {
    pub(super) fn lock(&self) -> MutexGuard<'_, Flags> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Tensors {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl std::fmt::Debug for Tensors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tensors")
    }
}

/// Zeroes the masked weights of a module where they are off. In the host's memory the flags act as they are, in place and on
/// all cores; elsewhere they are sent to the device once.
pub(super) struct Multiply<'a> {
    pub(super) masks: HashMap<ParamId, &'a Mask>,
    pub(super) tensors: &'a mut Flags,
}

impl Multiply<'_> {
    fn zeroed<const D: usize>(&mut self, weights: Tensor<D>, mask: &Mask) -> Tensor<D> {
        let device = weights.device();
        if on_host(&device) {
            return zeroed_in_place(weights, &mask.active);
        }
        let cached = self.tensors.entry(mask.id).or_default();
        let found = cached.iter().find(|off| off.device() == device).cloned();
        let off = found.unwrap_or_else(|| {
            let values: Vec<bool> = mask.active.par_iter().map(|a| !a).collect();
            let data = TensorData::new(values, [mask.active.len()]);
            let off = Tensor::<1, Bool>::from_data(data, &device);
            cached.push(off.clone());
            off
        });
        let off = off.reshape(weights.shape());
        weights.mask_fill(off, 0.0)
    }
}

impl ModuleMapper for Multiply<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(mask) = self.masks.get(&param.id).copied() else {
            return param;
        };
        param.map(|weights| {
            if !weights.is_autodiff() {
                return self.zeroed(weights, mask);
            }
            let tracked = weights.is_require_grad();
            let weights = Tensor::from_inner(self.zeroed(weights.inner(), mask));
            if tracked {
                weights.require_grad()
            } else {
                weights
            }
        })
    }
}

/// In the memory that the values have, if nothing else holds them.
fn zeroed_in_place<const D: usize>(values: Tensor<D>, active: &[bool]) -> Tensor<D> {
    let (device, dtype) = (values.device(), values.dtype());
    // Exact, and a copy only where something else holds the values; reading those would copy them several times.
    let (mut bytes, shape, _) = values.mul_scalar(1.0).into_data().into_parts();
    zero_off(&mut bytes, active, dtype.size());
    Tensor::from_data(
        TensorData::from_bytes(bytes, shape, dtype),
        (&device, dtype),
    )
}
