//! # SET
//!
//! Sparse from the start: at events the weights next to zero make room for random ones.
//!
//! Source: Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse connectivity
//! inspired by network science" (arXiv 1707.04780), algorithm 2.

use burn::config::Config;
use burn::module::Module;
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::threshold;

use crate::density::{Layout, ceil, floor};
use crate::error::{fraction, positive};
use crate::layer::Layer;
use crate::training::{Event, SparseMethod, Timing};
use crate::{Masks, Pruner};

/// Configuration of SET: a random mask of the final sparsity, and every `update_every` steps until `until` of
/// the run each layer swaps the share `fraction` of its smallest positive and of its largest negative
/// weights for random inactive ones, which start at zero.
#[derive(Config, Debug)]
pub struct SetConfig {
    /// Sparsity, in [0, 1).
    pub sparsity: f64,
    /// Training steps of the whole run.
    pub total_steps: usize,
    /// Steps between events.
    #[config(default = 100)]
    pub update_every: usize,
    /// Share of the run after which the masks stay, in [0, 1].
    #[config(default = 0.75)]
    pub until: f64,
    /// Share of a layer that every event swaps, in [0, 1).
    #[config(default = 0.3)]
    pub fraction: f64,
    /// How the weights are shared out over the layers.
    #[config(default = "Layout::ErdosRenyi")]
    pub layout: Layout,
    /// Seed of the start and of the growth.
    #[config(default = 0)]
    pub seed: u64,
}

impl SetConfig {
    /// A pruner of all weights of rank 2 and 4.
    ///
    /// # Errors
    /// Names the field that is out of range; or if there is no such weight.
    pub fn init<M: Module>(&self, model: &M) -> crate::Result<Pruner> {
        self.init_on(Masks::dense(model)?)
    }

    /// A pruner of the weights that these masks cover; their flags are drawn anew.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn init_on(&self, masks: Masks) -> crate::Result<Pruner> {
        fraction("sparsity", self.sparsity, false)?;
        fraction("fraction", self.fraction, false)?;
        fraction("until", self.until, true)?;
        positive("update_every", self.update_every)?;
        positive("total_steps", self.total_steps)?;
        let masks = masks.random(self.layout, 1.0 - self.sparsity, self.seed)?;
        let method = Set {
            every: self.update_every,
            end: floor(self.until * self.total_steps as f64),
            fraction: self.fraction,
        };
        Ok(Pruner::new(method, masks, self.seed))
    }
}

/// SET's decisions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Set {
    every: usize,
    end: usize,
    fraction: f64,
}

impl SparseMethod for Set {
    fn timing(&self, step: usize) -> Timing {
        if step.is_multiple_of(self.every) && step < self.end {
            Timing::After
        } else {
            Timing::None
        }
    }

    fn needs_gradients(&self) -> bool {
        false
    }

    fn update(&self, event: &Event, layers: &mut [Layer]) -> crate::Result<usize> {
        let stream = (event.index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut rng = ChaCha8Rng::seed_from_u64(event.seed ^ stream);
        let mut grown = 0;
        for layer in layers {
            let active = layer.count();
            if active == layer.active.len() {
                continue;
            }
            layer.drop(&next_to_zero(&layer.weights, &layer.active, self.fraction)?);
            let count = active - layer.count();
            let free: Vec<usize> = (0..layer.active.len())
                .filter(|i| !layer.active[*i])
                .collect();
            let mut flags = vec![false; layer.active.len()];
            for index in sample(&mut rng, free.len(), count) {
                flags[free[index]] = true;
            }
            layer.grow(&flags);
            grown += count;
        }
        Ok(grown)
    }
}

/// The share `fraction` of the smallest positive (or zero) and of the largest negative active weights, each
/// rounded up.
///
/// # Errors
/// If a weight is not finite.
pub fn next_to_zero(weights: &[f32], active: &[bool], fraction: f64) -> crate::Result<Vec<bool>> {
    let sign = |negative: bool| -> Vec<bool> {
        let flags = weights.iter().zip(active);
        flags
            .map(|(w, active)| *active && (*w < 0.0) == negative)
            .collect()
    };
    let share = |flags: &[bool]| ceil(fraction * flags.iter().filter(|f| **f).count() as f64);
    let (positive, negative) = (sign(false), sign(true));
    let low = threshold::bottom_k_of(weights, &positive, share(&positive))?;
    let high = threshold::top_k_of(weights, &negative, share(&negative))?;
    Ok(low.iter().zip(high).map(|(a, b)| *a || b).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn smallest_positive_and_largest_negative_go() {
        let weights = [0.5, -0.1, 0.2, -0.9, 0.05, -0.3];
        let active = [true, true, true, true, false, true];
        let dropped = next_to_zero(&weights, &active, 0.3).unwrap();
        assert_eq!(dropped, [false, true, true, false, false, false]);
    }
}
