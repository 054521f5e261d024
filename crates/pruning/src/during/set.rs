//! # SET
//!
//! Sparse from the start: at events the weights next to zero make room for random ones.
//!
//! Source: Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse connectivity
//! inspired by network science" (arXiv 1707.04780), algorithm 2.

use burn::config::Config;
use burn::module::Module;
use regimen_schedules::Curve;

use super::{DynamicSparse, DynamicSparseConfig, Pruner};
use crate::error::fraction;
use crate::mask::density::Layout;
use crate::rules::{DropRule, GrowthRule};
use crate::{Masks, Result};

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

    /// SET as a combination of the parts of dynamic sparse training.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn parts(&self) -> Result<DynamicSparseConfig> {
        fraction("fraction", self.fraction, false)?;
        let parts = DynamicSparseConfig::new(self.sparsity, self.total_steps)
            .with_update_every(self.update_every)
            .with_until(Some(self.until))
            .with_swap(Curve::Held)
            .with_swap_start(self.fraction)
            .with_drop(DropRule::NextToZero)
            .with_growth(GrowthRule::Random)
            .with_layout(self.layout)
            .with_seed(self.seed);
        Ok(parts)
    }
}
