//! # SNIP
//!
//! A mask before training: the connections whose loss is most sensitive, from one batch's gradient.
//!
//! Source: Lee et al., "SNIP: Single-shot Network Pruning based on Connection Sensitivity" (arXiv 1810.02340).

use burn::module::Module;
use burn::optim::GradientsParams;
use regimen_tensor::ParamVector;

use crate::{Masks, Result};

/// Keeps the share `density` of the weights with the largest `|w dL/dw|`, over all masked layers.
///
/// # Errors
/// If the masks are of another model, `density` is out of range or a score is not finite, as with a gradient that is not.
pub fn snip<M: Module>(
    module: &M,
    grads: &GradientsParams,
    masks: Masks,
    density: f64,
) -> Result<Masks> {
    let weights = masks.weights(module)?.to_host()?;
    let gradients = masks
        .select(&ParamVector::gradients(module, grads))?
        .to_host()?;
    masks.keep_top(&scores(&weights, &gradients), density)
}

/// `|w g| / sum |w g|`, over all layers together.
#[must_use]
pub fn scores(weights: &[Vec<f32>], gradients: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let product = |(w, g): (&Vec<f32>, &Vec<f32>)| -> Vec<f32> {
        w.iter().zip(g).map(|(w, g)| (w * g).abs()).collect()
    };
    let mut scores: Vec<Vec<f32>> = weights.iter().zip(gradients).map(product).collect();
    let sum: f64 = scores.iter().flatten().map(|s| f64::from(*s)).sum();
    if sum > 0.0 {
        let all = scores.iter_mut().flatten();
        all.for_each(|s| *s = (f64::from(*s) / sum) as f32);
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snip_scores() {
        let found = scores(&[vec![0.5, -1.0, 2.0, 0.1]], &[vec![1.0, 0.2, -0.3, 4.0]]);
        let expected = [0.294_117_6, 0.117_647_1, 0.352_941_2, 0.235_294_1];
        for (f, e) in found[0].iter().zip(expected) {
            approx::assert_abs_diff_eq!(*f, e, epsilon = 1e-6);
        }
    }
}
