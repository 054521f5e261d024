//! # RigL
//!
//! Sparse from the start: at events the smallest weights make room for those of largest gradient.
//!
//! Source: Evci et al., "Rigging the Lottery" (arXiv 1911.11134), algorithm 1.

use burn::config::Config;
use burn::module::Module;

use super::{DynamicSparse, DynamicSparseConfig, Pruner};
use crate::error::fraction;
use crate::mask::density::Layout;
use crate::rules::Rounding;
use crate::{Masks, Result};

/// Configuration of RigL: an ERK mask of the final sparsity, and every `update_every` steps until `until` of
/// the run a swap of the share `alpha / 2 (1 + cos(pi t / T_end))` of each layer. An event takes the place
/// of the optimizer's step, as in the original. A longer `update_every` explores more weights (ITOP).
///
/// A weight that an event drops and grows again starts at zero, as every weight that it grows; the released code keeps its
/// value and its momentum. Steps are counted from 1, so that the first event is at step `update_every`; the released code
/// counts from 0 and swaps at its first step too.
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
    /// A pruner of all prunable weights, those of [`Masks::dense`].
    ///
    /// # Errors
    /// Names the field that is out of range (`update_every`, if the run has no event); or if there is no such weight.
    pub fn init<M: Module>(&self, model: &M) -> Result<Pruner> {
        self.parts()?.init(model)
    }

    /// A pruner of the weights that these masks cover; their flags are drawn anew.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn init_on(&self, masks: Masks) -> Result<Pruner> {
        self.parts()?.init_on(masks)
    }

    /// The method alone.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn method(&self) -> Result<DynamicSparse> {
        self.parts()?.method()
    }

    /// RigL as a combination of the parts of dynamic sparse training.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn parts(&self) -> Result<DynamicSparseConfig> {
        fraction("alpha", self.alpha, false)?;
        let parts = DynamicSparseConfig::new(self.sparsity, self.total_steps)
            .with_update_every(self.update_every)
            .with_until(Some(self.until))
            .with_swap_start(self.alpha)
            .with_rounding(Rounding::Down)
            .with_layout(self.layout)
            .with_in_place_of_step(true)
            .with_seed(self.seed);
        Ok(parts)
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
