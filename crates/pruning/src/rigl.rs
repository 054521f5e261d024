//! # RigL
//!
//! Sparse from the start: at events the smallest weights make room for those of largest gradient.
//!
//! Source: Evci et al., "Rigging the Lottery" (arXiv 1911.11134), algorithm 1.

use burn::config::Config;
use burn::module::Module;

use crate::density::{Layout, floor};
use crate::error::{fraction, positive};
use crate::layer::Layer;
use crate::training::{Event, SparseMethod, Timing};
use crate::{Masks, Pruner};

/// Configuration of RigL: an ERK mask of the final sparsity, and every `update_every` steps until `until` of
/// the run a swap of the share `alpha / 2 (1 + cos(pi t / T_end))` of each layer. An event takes the place
/// of the optimizer's step, as in the original. A longer `update_every` explores more weights (ITOP).
#[derive(Config, Debug)]
pub struct RigLConfig {
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
    /// Share of a layer that the first event would swap, in [0, 1).
    #[config(default = 0.3)]
    pub alpha: f64,
    /// How the weights are shared out over the layers.
    #[config(default = "Layout::Erk")]
    pub layout: Layout,
    /// Seed of the start.
    #[config(default = 0)]
    pub seed: u64,
}

impl RigLConfig {
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
        let method = self.method()?;
        let masks = masks.random(self.layout, 1.0 - self.sparsity, self.seed)?;
        Ok(Pruner::new(method, masks, self.seed))
    }

    /// The method alone.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn method(&self) -> crate::Result<RigL> {
        fraction("sparsity", self.sparsity, false)?;
        fraction("alpha", self.alpha, false)?;
        fraction("until", self.until, true)?;
        positive("update_every", self.update_every)?;
        positive("total_steps", self.total_steps)?;
        Ok(RigL {
            every: self.update_every,
            end: floor(self.until * self.total_steps as f64),
            alpha: self.alpha,
        })
    }
}

/// RigL's decisions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RigL {
    every: usize,
    end: usize,
    alpha: f64,
}

impl RigL {
    /// The share of a layer that an event at this step swaps; 0 after the end.
    #[must_use]
    pub fn swap_fraction(&self, step: usize) -> f64 {
        let progress = step.min(self.end) as f64 / self.end.max(1) as f64;
        0.5 * self.alpha * (1.0 + (std::f64::consts::PI * progress).cos())
    }
}

impl SparseMethod for RigL {
    fn timing(&self, step: usize) -> Timing {
        if step.is_multiple_of(self.every) && step < self.end {
            Timing::Instead
        } else {
            Timing::None
        }
    }

    fn needs_gradients(&self) -> bool {
        true
    }

    fn update(&self, event: &Event, layers: &mut [Layer]) -> crate::Result<usize> {
        layers.iter_mut().for_each(Layer::absolute);
        let fraction = self.swap_fraction(event.step);
        let swap = |layer: &mut Layer| layer.regenerate(floor(fraction * layer.count() as f64));
        layers.iter_mut().map(swap).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn rigl_fraction() {
        let rigl = RigLConfig::new(0.9, 100).with_until(1.0).method().unwrap();
        for (step, expected) in [
            (0, 0.3),
            (25, 0.256066),
            (50, 0.15),
            (75, 0.043934),
            (100, 0.0),
        ] {
            assert_abs_diff_eq!(rigl.swap_fraction(step), expected, epsilon = 1e-6);
        }
    }
}
