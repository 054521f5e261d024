//! # GraSP
//!
//! A mask before training that preserves the flow of gradients: `-w (H g)`, the largest scores go.
//!
//! Source: Wang et al., "Picking Winning Tickets Before Training by Preserving Gradient Flow" (arXiv 2002.07376).

use burn::module::Module;
use regimen_tensor::ParamVector;
use regimen_tensor::directional::hessian_vector;

use crate::{Masks, Result};

/// Keeps the share `density` of the weights with the smallest `-w (H g)`. `gradient` gives the loss's gradient
/// of a module on a fixed batch; the product with the Hessian is a central difference of it.
///
/// # Errors
/// If the masks are of another model, `density` is out of range or a score is not finite.
pub fn grasp<M: Module>(
    module: &M,
    masks: Masks,
    density: f64,
    mut gradient: impl FnMut(&M) -> regimen_tensor::Result<ParamVector>,
) -> Result<Masks> {
    let g = gradient(module)?;
    let hg = masks.select(&hessian_vector(module, &g, gradient)?)?;
    let kept = hg.hadamard(&masks.weights(module)?)?.to_host()?;
    masks.keep_top(&kept, density)
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
