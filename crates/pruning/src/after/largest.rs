//! The weights of largest magnitude, chosen on their device.

use burn::module::Module;
use burn::tensor::{Bool, Tensor, TensorData};
use regimen_tensor::{ParamEntry, Watch, threshold};

use crate::mask::Mask;
use crate::{Masks, Result};

/// The masks of the `keep` active weights of largest magnitude over all layers together; a step is a layer whose magnitudes are
/// taken, and the last one the choice. Stopped before it, the masks as they were given.
pub(super) fn over_all<M: Module>(
    module: &M,
    mut masks: Masks,
    keep: usize,
    watch: &Watch,
) -> Result<Masks> {
    let vector = masks.weights(module)?;
    let pairs: Vec<_> = vector.entries().iter().zip(masks.layers()).collect();
    let (layers, mut scores) = (pairs.len(), Vec::with_capacity(pairs.len()));
    for (index, (entry, mask)) in pairs.iter().enumerate() {
        scores.push(score(entry, mask));
        if !watch.goes_on("magnitude", index + 1, layers + 1) {
            return Ok(masks);
        }
    }
    let kept = select(&pairs, scores, keep)?;
    masks.set(kept)?;
    // Nothing is left to stop.
    let _ = watch.goes_on("magnitude", layers + 1, layers + 1);
    Ok(masks)
}

/// The masks of the active weights of largest magnitude of each layer, as many as `keep` says of its size.
pub(super) fn in_each<M: Module>(
    module: &M,
    mut masks: Masks,
    keep: impl Fn(usize) -> usize,
    watch: &Watch,
) -> Result<Masks> {
    let vector = masks.weights(module)?;
    let mut flags: Vec<Vec<bool>> = masks.layers().iter().map(|m| m.active.clone()).collect();
    let pairs = vector.entries().iter().zip(masks.layers());
    for (index, pair) in pairs.enumerate() {
        let scores = vec![score(pair.0, pair.1)];
        let kept = select(&[pair], scores, keep(pair.1.active.len()))?;
        flags[index] = kept.concat();
        if !watch.goes_on("magnitude", index + 1, masks.layers().len()) {
            break;
        }
    }
    masks.set(flags)?;
    Ok(masks)
}

/// The magnitudes of a layer; of what is off, below all others.
fn score(entry: &ParamEntry, mask: &Mask) -> Tensor<1> {
    let size = entry.values.clone().abs();
    match on(entry, mask) {
        Some(on) => size.mask_fill(on.bool_not(), -1.0),
        None => size,
    }
}

fn select(
    layers: &[(&ParamEntry, &Mask)],
    scores: Vec<Tensor<1>>,
    keep: usize,
) -> Result<Vec<Vec<bool>>> {
    let kept = threshold::largest(scores, keep)?;
    let flags = kept.into_iter().zip(layers).map(|(kept, (entry, mask))| {
        let kept = match on(entry, mask) {
            Some(on) => kept.bool_and(on),
            None => kept,
        };
        Ok(threshold::flags(kept)?)
    });
    flags.collect()
}

/// What is on, if something is off.
fn on(entry: &ParamEntry, mask: &Mask) -> Option<Tensor<1, Bool>> {
    mask.active.contains(&false).then(|| {
        let data = TensorData::new(mask.active.clone(), [mask.active.len()]);
        Tensor::from_data(data, &entry.values.device())
    })
}
