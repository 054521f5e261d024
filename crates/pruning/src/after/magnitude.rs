//! # Magnitude, one-shot
//!
//! Prunes a trained module once: the smallest weights go, over all layers together or in each.
//!
//! Source: Han et al., "Learning both Weights and Connections for Efficient Neural Networks" (arXiv 1506.02626).

use burn::module::Module;
use regimen_tensor::Watch;

use super::largest;
use crate::error::fraction;
use crate::mask::density::keep;
use crate::{Masks, Result};

/// The masks of the `floor(weights * (1 - sparsity))` largest weights, over all layers together; what is off stays
/// off. Chosen on the weights' device; equal weights stay by low index.
///
/// # Errors
/// If `sparsity` is not in [0, 1], the masks are of another model or a weight is not finite.
pub fn magnitude<M: Module>(module: &M, masks: Masks, sparsity: f64) -> Result<Masks> {
    magnitude_watched(module, masks, sparsity, &Watch::default())
}

/// As [`magnitude`], watched: a step is a layer whose magnitudes are taken, and the last one the choice among all. Stopped
/// before it, it returns the masks as they were given.
///
/// # Errors
/// As [`magnitude`].
pub fn magnitude_watched<M: Module>(
    module: &M,
    masks: Masks,
    sparsity: f64,
    watch: &Watch,
) -> Result<Masks> {
    let (layers, weights) = (masks.layers().len(), masks.total());
    let _span = tracing::info_span!("magnitude", layers, weights).entered();
    fraction("sparsity", sparsity, true)?;
    let keep = keep(masks.total(), sparsity);
    largest::over_all(module, masks, keep, watch)
}

/// The masks of the largest weights of each layer, the same share of each; what is off stays off.
///
/// # Errors
/// As [`magnitude`].
pub fn magnitude_per_layer<M: Module>(module: &M, masks: Masks, sparsity: f64) -> Result<Masks> {
    magnitude_per_layer_watched(module, masks, sparsity, &Watch::default())
}

/// As [`magnitude_per_layer`], watched: a step is a layer. Stopped, it returns masks of which the layers that were not reached
/// are as they were given.
///
/// # Errors
/// As [`magnitude`].
pub fn magnitude_per_layer_watched<M: Module>(
    module: &M,
    masks: Masks,
    sparsity: f64,
    watch: &Watch,
) -> Result<Masks> {
    let (layers, weights) = (masks.layers().len(), masks.total());
    let _span = tracing::info_span!("magnitude", layers, weights).entered();
    fraction("sparsity", sparsity, true)?;
    largest::in_each(module, masks, |size| keep(size, sparsity), watch)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_stays_off() {
        let layer = burn::nn::LinearConfig::new(6, 4).init(&burn::tensor::Device::flex());
        let first = magnitude(&layer, Masks::dense(&layer).unwrap(), 0.75).unwrap();
        for second in [magnitude, magnitude_per_layer] {
            let again = second(&layer, first.clone(), 0.25).unwrap();
            assert_eq!(again, first);
            assert_eq!(second(&layer, first.clone(), 0.875).unwrap().count(), 3);
        }
    }
}
