//! The gradients of masked weights.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use regimen_tensor::ParamVector;
use regimen_tensor::training::Gradients;

use crate::{Masks, Result};

/// The gradients of the masked weights, summed over devices on the first one.
pub(crate) fn masked<M: Module>(
    grads: &Gradients,
    model: &M,
    masks: &Masks,
) -> Result<ParamVector> {
    let read = |grads: &GradientsParams| masks.select(&ParamVector::gradients(model, grads));
    match grads {
        Gradients::One(grads) => read(grads),
        Gradients::Many(many) => {
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
    grads: &Gradients,
    model: &M,
    masks: &Masks,
    wanted: bool,
) -> Result<Vec<Option<Tensor<1>>>> {
    if !wanted {
        return Ok(vec![None; masks.layers().len()]);
    }
    let masked = masked(grads, model, masks)?;
    let values = masked
        .entries()
        .iter()
        .map(|entry| Some(entry.values.clone()));
    Ok(values.collect())
}
