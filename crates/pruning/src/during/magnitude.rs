//! # Magnitude
//!
//! Gradual magnitude pruning: the smallest weights go, on a cubic schedule, for good.
//!
//! Source: Zhu and Gupta, "To prune, or not to prune" (arXiv 1710.01878); GMP and GMP_uniform of Liu et al.
//! (arXiv 2106.10404).

use burn::config::Config;
use burn::module::Module;

use super::{DynamicSparse, GraNetConfig, Pruner};
use crate::Masks;

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
    /// Step at which the final sparsity is reached, an event in any case; half of `total_steps` if not given.
    pub prune_until: Option<usize>,
    /// Prunes each layer to the same sparsity instead of all together.
    #[config(default = false)]
    pub uniform: bool,
}

impl MagnitudeConfig {
    /// A pruner of all prunable weights, those of [`Masks::dense`].
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
