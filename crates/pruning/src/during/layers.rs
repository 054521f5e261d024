//! What a decision looks at: weights, gradients and momenta on their device.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Tensor, TensorData};

use super::optimizer_state::momenta_but;
use crate::mask::frozen;
use crate::rules::{DeviceLayer, finite_on_device};
use crate::{Exploration, Masks, PruningError, Result};

/// What a method looks at besides weights and gradients.
pub(crate) struct Needs<'a> {
    pub(crate) momentum: bool,
    pub(crate) history: Option<&'a Exploration>,
}

/// The masked layers at a decision, once all their weights are finite.
pub(crate) fn device_layers<M: Module>(
    model: &M,
    optim: &ModuleOptimizer,
    masks: &Masks,
    step: usize,
    dense: Vec<Option<Tensor<1>>>,
    needs: &Needs<'_>,
) -> Result<Vec<DeviceLayer>> {
    let weights = masks.weights(model)?;
    finite_on_device(step, masks, &weights)?;
    let frozen = frozen(model);
    let parts = weights.entries().iter().zip(dense).zip(masks.layers());
    let layers = parts.enumerate().map(|(i, ((entry, gradient), mask))| {
        let mut layer = DeviceLayer::new(entry.values.clone(), gradient, mask.active.clone());
        layer.flags.frozen = frozen.contains(&mask.id);
        if let Some(explored) = needs.history {
            layer.flags.explored = explored.flags(i);
        }
        layer
    });
    let mut layers: Vec<DeviceLayer> = layers.collect();
    if needs.momentum {
        let momenta = momenta_but(optim, masks, &frozen)?;
        for (layer, momentum) in layers.iter_mut().zip(momenta) {
            if layer.flags.frozen {
                continue;
            }
            let data = TensorData::new(momentum, [layer.flags.active.len()]);
            let options = (&layer.weights.device(), layer.weights.dtype());
            layer.momentum = Some(Tensor::from_data(data, options));
        }
    }
    Ok(layers)
}

/// An optimizer's state that could not be cleared stops no decision: the inner error is told once all is done.
pub(crate) fn cleared(result: Result<()>) -> Result<Result<()>> {
    match result {
        Err(error @ PruningError::StateType { .. }) => Ok(Err(error)),
        Err(error) => Err(error),
        Ok(()) => Ok(Ok(())),
    }
}
