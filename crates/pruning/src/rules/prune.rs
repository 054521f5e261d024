//! Which weights are left at a sparsity: the largest of all layers together, or of each by itself.

use regimen_tensor::threshold;

use super::Layer;
use crate::Result;
use crate::mask::density::{counts, floor, keep};

/// Keeps the `keep` active weights of largest magnitude over all layers, which must be
/// [`absolute`](Layer::absolute); nothing inactive is revived.
///
/// # Errors
/// If a weight is not finite.
pub fn prune_global(layers: &mut [Layer], keep: usize) -> Result<()> {
    let active: usize = layers.iter().map(Layer::count).sum();
    if keep >= active {
        return Ok(());
    }
    let scores: Vec<&[f32]> = layers.iter().map(|l| l.weights.as_slice()).collect();
    let eligible: Vec<&[bool]> = layers.iter().map(|l| l.active.as_slice()).collect();
    let masks = threshold::top_k_masks(&scores, Some(&eligible), keep)?;
    for (layer, mask) in layers.iter_mut().zip(masks) {
        layer.restrict(&mask);
    }
    Ok(())
}

/// Prunes each layer to `sparsity` by itself. From a sparsity of .8 on the last layer, the classifier, keeps
/// a density of .2 and the others make up for it; exactly `floor(N (1 - sparsity))` weights remain. Layers
/// must be [`absolute`](Layer::absolute).
///
/// # Errors
/// If a weight is not finite.
pub fn prune_uniform(layers: &mut [Layer], sparsity: f64) -> Result<()> {
    let sizes: Vec<usize> = layers.iter().map(|layer| layer.active.len()).collect();
    for (layer, keep) in layers.iter_mut().zip(uniform_counts(&sizes, sparsity)) {
        prune_global(std::slice::from_mut(layer), keep)?;
    }
    Ok(())
}

fn uniform_counts(sizes: &[usize], sparsity: f64) -> Vec<usize> {
    let shapes: Vec<Vec<usize>> = sizes.iter().map(|n| vec![*n]).collect();
    let Some((last, others)) = sizes
        .split_last()
        .filter(|(_, o)| !o.is_empty() && sparsity >= 0.8)
    else {
        return counts(&shapes, &vec![1.0 - sparsity; sizes.len()]);
    };
    let total = keep(sizes.iter().sum(), sparsity);
    let classifier = floor(0.2 * *last as f64).min(total);
    let rest: usize = others.iter().sum();
    let density = (total - classifier) as f64 / rest as f64;
    let mut keep = counts(&shapes[..others.len()], &vec![density; others.len()]);
    keep.push(classifier);
    keep
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_threshold_revives_nothing() {
        let mut layer = Layer::new(
            vec![0.0; 6],
            vec![],
            vec![true, true, false, true, false, true],
        );
        prune_global(std::slice::from_mut(&mut layer), 3).unwrap();
        assert_eq!(layer.active, [true, true, false, true, false, false]);
    }

    #[test]
    fn uniform_keeps_the_classifier_at_a_fifth() {
        let keep = uniform_counts(&[16384, 65536, 2560], 0.99);
        assert_eq!((keep.iter().sum::<usize>(), keep[2]), (844, 512));
        let keep = uniform_counts(&[1000, 1000, 100], 0.5);
        assert_eq!(keep, [500, 500, 50]);
    }
}
