//! # GraSP
//!
//! A mask before training that preserves the flow of gradients: `-w (H g)`, the largest scores go.
//!
//! Source: Wang et al., "Picking Winning Tickets Before Training by Preserving Gradient Flow" (arXiv 2002.07376).

use std::collections::HashSet;

use burn::module::{Module, ParamId};
use burn::tensor::DType;
use regimen_tensor::directional::hessian_vector;
use regimen_tensor::{ParamVector, Watch, independent};

use crate::error::fraction;
use crate::{Masks, PruningError, Result};

/// Keeps the share `density` of the weights with the smallest `-w (H g)`. `gradient` gives the loss's gradient
/// of a module on a fixed batch; the product with the Hessian is a central difference of it.
///
/// `g` is the gradient of the masked weights alone, as in the released code, which takes the weights of convolutions and
/// linear layers: biases and norms are constants. `gradient` gets copies of the module, so that running statistics of
/// batch norm stay as they are; the released code takes batch norm in training mode, and the loss of the logits divided by 200.
///
/// The released code differentiates twice. In a network with ReLU the difference also counts the kinks between its two
/// points ([`hessian_vector`]): in f32 the masks then differ from those of the released code. Where they must agree, give a
/// module and data in f64.
///
/// # Errors
/// If the masks are of another model, `density` is out of range, a score is not finite, or a weight is of half precision, in
/// which the difference of two gradients has no digit left.
pub fn grasp<M: Module>(
    module: &M,
    masks: Masks,
    density: f64,
    gradient: impl FnMut(&M) -> regimen_tensor::Result<ParamVector>,
) -> Result<Masks> {
    grasp_watched(module, masks, density, gradient, &Watch::default())
}

/// As [`grasp`], watched: the first step is the gradient, the second its product with the Hessian, which takes two gradients.
/// Stopped after the first, it returns the masks as they were given.
///
/// # Errors
/// As [`grasp`].
pub fn grasp_watched<M: Module>(
    module: &M,
    masks: Masks,
    density: f64,
    mut gradient: impl FnMut(&M) -> regimen_tensor::Result<ParamVector>,
    watch: &Watch,
) -> Result<Masks> {
    let _span = tracing::info_span!("grasp", weights = masks.total()).entered();
    fraction("density", density, true)?;
    let weights = masks.weights(module)?;
    let half = |dtype: DType| matches!(dtype, DType::F16 | DType::BF16);
    let mut entries = weights.entries().iter();
    if let Some(entry) = entries.find(|entry| half(entry.values.dtype())) {
        let found = format!("{:?} in `{}`", entry.values.dtype(), entry.path);
        let allowed = "F32 or F64, for a difference of gradients";
        return Err(PruningError::range("dtype", found, allowed));
    }
    let masked: HashSet<ParamId> = masks.layers().iter().map(|mask| mask.id).collect();
    let copy = independent(module);
    let g = gradient(&copy)?.map(|entry, values| {
        if masked.contains(&entry.id) {
            values
        } else {
            values.zeros_like()
        }
    });
    if !watch.goes_on("grasp", 1, 2) {
        return Ok(masks);
    }
    let hg = masks.select(&hessian_vector(&copy, &g, gradient)?)?;
    let kept = hg.hadamard(&weights)?.to_host()?;
    let masks = masks.keep_top(&kept, density)?;
    let _ = watch.goes_on("grasp", 2, 2);
    Ok(masks)
}

/// `-w (H g)`: prune the largest.
#[must_use]
pub fn scores(weights: &[f32], hessian_gradient: &[f32]) -> Vec<f32> {
    let pairs = weights.iter().zip(hessian_gradient);
    pairs.map(|(w, h)| -w * h).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grasp_quadratic() {
        let (h, w) = ([[2.0, 1.0], [1.0, 3.0]], [1.0_f32, -1.0]);
        let times = |v: [f32; 2]| h.map(|row: [f32; 2]| row[0] * v[0] + row[1] * v[1]);
        let hw = times(w);
        let g = [hw[0] - 1.0, hw[1]];
        assert_eq!((g, times(g)), ([0.0, -2.0], [-2.0, -6.0]));
        assert_eq!(scores(&w, &times(g)), [2.0, -6.0]);
    }
}
