//! Which weights are left at a sparsity: the largest of all layers together, or of each by itself.

use regimen_tensor::threshold;

use super::Layer;
use crate::Result;
use crate::error::fraction;
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

/// Prunes each layer to `sparsity` by itself; `floor(N (1 - sparsity))` weights remain, fewer where a layer has less
/// active than its share. Layers must be [`absolute`](Layer::absolute).
///
/// From a sparsity of .8 on the last layer, the classifier, keeps a density of .2 and the others make up for it. This rule of
/// GraNet's authors is made for a classifier that is a small part of the network, so it has two bounds here: a last layer
/// of more than a quarter of all weights is pruned as the others are, and the others keep at least a quarter of the overall
/// density.
///
/// # Errors
/// If a weight is not finite, or `sparsity` is outside of [0, 1].
pub fn prune_uniform(layers: &mut [Layer], sparsity: f64) -> Result<()> {
    for (layer, keep) in uniform_keeps(layers, sparsity)?.into_iter().enumerate() {
        prune_global(&mut layers[layer..=layer], keep)?;
    }
    Ok(())
}

/// How many weights of each layer [`prune_uniform`] leaves.
pub(super) fn uniform_keeps(layers: &[Layer], sparsity: f64) -> Result<Vec<usize>> {
    fraction("sparsity", sparsity, true)?;
    let sizes: Vec<usize> = layers.iter().map(|layer| layer.active.len()).collect();
    let mut counts = uniform_counts(&sizes, sparsity);
    let active: Vec<usize> = layers.iter().map(Layer::count).collect();
    // Rounding may give a layer one more than it had at a lower sparsity: another takes it.
    let mut left = 0;
    for (count, active) in counts.iter_mut().zip(&active) {
        if *count == active + 1 {
            (*count, left) = (*active, left + 1);
        }
    }
    for (count, active) in counts.iter_mut().zip(&active) {
        if left > 0 && *count < *active {
            (*count, left) = (*count + 1, left - 1);
        }
    }
    Ok(counts)
}

fn uniform_counts(sizes: &[usize], sparsity: f64) -> Vec<usize> {
    let shapes: Vec<Vec<usize>> = sizes.iter().map(|n| vec![*n]).collect();
    let all: usize = sizes.iter().sum();
    let Some((last, others)) = sizes
        .split_last()
        .filter(|(last, _)| sparsity >= 0.8 && 4 * **last <= all)
    else {
        return counts(&shapes, &vec![1.0 - sparsity; sizes.len()]);
    };
    let total = keep(all, sparsity);
    let rest: usize = others.iter().sum();
    let least = floor(0.25 * total as f64 * rest as f64 / all as f64);
    let left = total.saturating_sub(floor(0.2 * *last as f64)).max(least);
    let classifier = total - left;
    let density = left as f64 / rest as f64;
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

    #[test]
    fn uniform_never_gives_one_layer_all_weights() {
        assert_eq!(uniform_counts(&[10_000, 10_000], 0.95), [500, 500]);
        assert_eq!(uniform_counts(&[10_000, 10_000], 0.9), [1000, 1000]);
        assert_eq!(uniform_counts(&[100], 0.95), [5]);
        // A fifth of the classifier would be 512 of the 84 that remain: the others keep a quarter of their share.
        assert_eq!(uniform_counts(&[16384, 65536, 2560], 0.999), [4, 16, 64]);
    }

    #[test]
    fn uniform_counts_fall_with_the_sparsity_and_sum_to_the_budget() {
        for sizes in [
            vec![60, 40, 30],
            vec![50, 50],
            vec![300, 77, 31, 100],
            vec![999, 3, 1],
        ] {
            let all: usize = sizes.iter().sum();
            let mut layers: Vec<Layer> = sizes
                .iter()
                .map(|n| Layer::new((0..*n).map(|i| i as f32).collect(), vec![], vec![true; *n]))
                .collect();
            for event in 0..=300 {
                let sparsity = f64::from(event) / 300.0;
                prune_uniform(&mut layers, sparsity).unwrap();
                let left: usize = layers.iter().map(Layer::count).sum();
                assert_eq!(left, keep(all, sparsity), "{sizes:?} at {sparsity}");
            }
        }
    }

    #[test]
    fn a_sparsity_out_of_range_is_an_error() {
        let mut layers = [Layer::new(vec![1.0; 4], vec![], vec![true; 4])];
        for sparsity in [-0.1, 1.1, f64::NAN] {
            assert!(prune_uniform(&mut layers, sparsity).is_err());
        }
    }
}
