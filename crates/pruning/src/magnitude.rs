//! # Magnitude
//!
//! Gradual magnitude pruning: the smallest weights go, on a cubic schedule, for good.
//!
//! Source: Zhu and Gupta, "To prune, or not to prune" (arXiv 1710.01878); GMP and GMP_uniform of Liu et al.
//! (arXiv 2106.10404).

use burn::config::Config;
use burn::module::Module;

use crate::density::{counts, floor, keep};
use crate::dynamic::DynamicSparse;
use crate::granet::GraNetConfig;
use crate::layer::{Layer, prune_global};
use crate::{Masks, Pruner};

/// Configuration of gradual magnitude pruning: [`GraNetConfig`] without regeneration.
#[derive(Config, Debug)]
pub struct MagnitudeConfig {
    /// Sparsity at the end, in [0, 1).
    pub final_sparsity: f64,
    /// Training steps of the whole run.
    pub total_steps: usize,
    /// Steps between events.
    #[config(default = 1000)]
    pub update_every: usize,
    /// Step at which pruning starts.
    #[config(default = 0)]
    pub prune_from: usize,
    /// Step at which the final sparsity is reached; half of `total_steps` if not given.
    pub prune_until: Option<usize>,
    /// Prunes each layer to the same sparsity instead of all together.
    #[config(default = false)]
    pub uniform: bool,
}

impl MagnitudeConfig {
    /// A pruner of all weights of rank 2 and 4.
    ///
    /// # Errors
    /// Names the field that is out of range; or if there is no such weight.
    pub fn init<M: Module>(&self, model: &M) -> crate::Result<Pruner> {
        self.init_on(Masks::dense(model)?)
    }

    /// A pruner of the weights that these masks cover.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn init_on(&self, masks: Masks) -> crate::Result<Pruner> {
        Ok(Pruner::new(self.method()?, masks, 0))
    }

    /// The method alone.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn method(&self) -> crate::Result<DynamicSparse> {
        GraNetConfig::new(self.final_sparsity, self.total_steps)
            .with_update_every(self.update_every)
            .with_prune_from(self.prune_from)
            .with_prune_until(self.prune_until)
            .with_uniform(self.uniform)
            .with_swap_start(0.0)
            .with_swap_end(0.0)
            .method()
    }
}

/// Prunes each layer to `sparsity` by itself. From a sparsity of .8 on the last layer, the classifier, keeps
/// a density of .2 and the others make up for it; exactly `floor(N (1 - sparsity))` weights remain. Layers
/// must be [`absolute`](Layer::absolute).
///
/// # Errors
/// If a weight is not finite.
pub fn prune_uniform(layers: &mut [Layer], sparsity: f64) -> crate::Result<()> {
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
mod tests {
    use super::*;

    #[test]
    fn uniform_keeps_the_classifier_at_a_fifth() {
        let keep = uniform_counts(&[16384, 65536, 2560], 0.99);
        assert_eq!((keep.iter().sum::<usize>(), keep[2]), (844, 512));
        let keep = uniform_counts(&[1000, 1000, 100], 0.5);
        assert_eq!(keep, [500, 500, 50]);
    }
}
