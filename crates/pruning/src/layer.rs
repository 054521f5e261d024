//! What a method decides on: one layer's weights, dense gradient and flags on the host.

use burn::module::Module;
use rand::Rng;
use rayon::prelude::*;
use regimen_tensor::threshold;

use crate::drop::{DropRule, Rounding};
use crate::growth::GrowthRule;
use crate::{Mask, Masks, Result};

/// A masked layer at an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The weights; methods may overwrite them as scratch.
    pub weights: Vec<f32>,
    /// The dense gradient of the last batch; empty if the method asks for none.
    pub gradient: Vec<f32>,
    /// The optimizer's momentum, divided by the root of its second moment if it has one; empty if the method
    /// asks for none.
    pub momentum: Vec<f32>,
    /// Which weights were active at any time so far; empty if the method does not ask.
    pub explored: Vec<bool>,
    /// Which weights are active.
    pub active: Vec<bool>,
    /// Which weights keep their value and the optimizer's state: a weight that is dropped, and one
    /// that is grown, even where it was dropped a moment ago, starts at zero.
    pub kept: Vec<bool>,
}

impl Layer {
    /// A layer in which everything active is kept so far.
    #[must_use]
    pub fn new(weights: Vec<f32>, gradient: Vec<f32>, active: Vec<bool>) -> Self {
        Self {
            weights,
            gradient,
            momentum: Vec::new(),
            explored: Vec::new(),
            kept: active.clone(),
            active,
        }
    }

    /// The layers of a model that these masks cover, [`absolute`](Self::absolute) and without gradients.
    pub(crate) fn magnitudes<M: Module>(module: &M, masks: &Masks) -> Result<Vec<Self>> {
        let weights = masks.weights(module)?.to_host()?.into_iter();
        let layer = |(weights, mask): (_, &Mask)| {
            let mut layer = Self::new(weights, Vec::new(), mask.active.clone());
            layer.absolute();
            layer
        };
        Ok(weights.zip(masks.layers()).map(layer).collect())
    }

    /// Replaces the weights by their absolute values.
    pub fn absolute(&mut self) {
        self.weights.par_iter_mut().for_each(|w| *w = w.abs());
    }

    /// Number of active weights.
    #[must_use]
    pub fn count(&self) -> usize {
        self.active.par_iter().filter(|active| **active).count()
    }

    /// Switches off what is not in `keep`.
    pub fn restrict(&mut self, keep: &[bool]) {
        let flags = self.active.par_iter_mut().zip(&mut self.kept);
        flags.zip(keep).for_each(|((active, kept), keep)| {
            *active &= keep;
            *kept &= keep;
        });
    }

    /// Switches off these weights.
    pub fn drop(&mut self, dropped: &[bool]) {
        let flags = self.active.par_iter_mut().zip(&mut self.kept);
        flags.zip(dropped).for_each(|((active, kept), drop)| {
            *active &= !drop;
            *kept &= !drop;
        });
    }

    /// Switches on these weights, which start at zero.
    pub fn grow(&mut self, grown: &[bool]) {
        let flags = self.active.par_iter_mut().zip(grown);
        flags.for_each(|(active, grow)| *active |= grow);
    }

    /// The flags of what is off.
    #[must_use]
    pub fn inactive(&self) -> Vec<bool> {
        self.active.par_iter().map(|active| !active).collect()
    }

    /// Drops a `share` in 0..=1 of the active weights by one rule and grows as many by another. A layer without
    /// an inactive weight has nothing to swap. Returns how many were grown; weights, gradient and momentum are
    /// overwritten as scratch.
    ///
    /// # Errors
    /// If a score is not finite, or the layer lacks what a rule needs.
    pub fn swap(
        &mut self,
        drop: DropRule,
        share: f64,
        rounding: Rounding,
        growth: GrowthRule,
        rng: &mut impl Rng,
    ) -> Result<usize> {
        let before = self.count();
        if before == self.active.len() || share == 0.0 {
            return Ok(0);
        }
        let dropped = drop.choose(self, share, rounding)?;
        self.drop(&dropped);
        let count = before - self.count();
        let grown = growth.choose(self, count, rng)?;
        self.grow(&grown);
        Ok(count)
    }
}

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn one_regeneration() {
        let active = [1, 1, 1, 1, 1, 1, 0, 0].map(|f| f == 1).to_vec();
        let weights = vec![0.9, -0.8, 0.1, 0.05, -0.4, 0.3, 0.0, 0.0];
        let gradient = vec![0.1, 0.1, 0.7, 0.0, 0.1, 0.1, 0.5, -0.9];
        let mut layer = Layer::new(weights, gradient, active);
        let mut rng = rand_chacha::ChaCha8Rng::from_seed([0; 32]);
        let (drop, grow) = (DropRule::Magnitude, GrowthRule::Gradient);
        let grown = layer.swap(drop, 1.0 / 3.0, Rounding::Up, grow, &mut rng);
        assert_eq!(grown.unwrap(), 2);
        assert_eq!(layer.active, [1, 1, 1, 0, 1, 1, 0, 1].map(|f| f == 1));
        assert_eq!(layer.kept, [1, 1, 0, 0, 1, 1, 0, 0].map(|f| f == 1));
    }

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
}
