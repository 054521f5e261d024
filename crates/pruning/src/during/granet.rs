//! # GraNet
//!
//! Gradual magnitude pruning that swaps the weakest of the remaining weights for those of largest gradient.
//!
//! Source: Liu et al., "Sparse Training via Boosting Pruning Plasticity with Neuroregeneration"
//! (arXiv 2106.10404), algorithm 1 and equations 1 to 3.

use burn::config::Config;
use burn::module::Module;

use super::{DynamicSparse, DynamicSparseConfig, Pruner};
use crate::error::fraction;
use crate::{Masks, Result};

/// Configuration of GraNet.
///
/// At every `update_every`-th step and at `prune_until`, after the optimizer's step: keep the largest `|w|` of all masked layers
/// by [`CubicSparsity`](crate::CubicSparsity) (from `prune_from` to `prune_until`), then in each layer with `n` weights left swap
/// the `ceil(r_t n)` smallest for the inactive ones with the largest `|dL/dw|`, where
/// `r_t = eta + (r_0 - eta) (1 + cos(pi t / T)) / 2`. New weights start at zero.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_pruning::GraNetConfig;
///
/// # let model = LinearConfig::new(64, 10).init(&Device::default().autodiff());
/// let pruner = GraNetConfig::new(0.9, 10_000).with_update_every(100).init(&model)?;
/// let model = pruner.mask(model)?;
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[derive(Config, Debug)]
pub struct GraNetConfig {
    /// Sparsity at the end, in [0, 1).
    pub final_sparsity: f64,
    /// Training steps `T` of the whole run.
    pub total_steps: usize,
    /// Sparsity at the start, in [0, `final_sparsity`]; above 0 the start is a random ERK mask.
    #[config(default = 0.0)]
    pub initial_sparsity: f64,
    /// Steps between events.
    #[config(default = 1000)]
    pub update_every: usize,
    /// Step at which pruning starts.
    #[config(default = 0)]
    pub prune_from: usize,
    /// Step at which the final sparsity is reached, an event in any case; half of `total_steps` if not given.
    pub prune_until: Option<usize>,
    /// Swap fraction at the start, `r_0`, in [0, 1).
    #[config(default = 0.5)]
    pub swap_start: f64,
    /// Swap fraction at the end, `eta`, in [0, 1).
    #[config(default = 0.005)]
    pub swap_end: f64,
    /// Prunes each layer to the same sparsity (GraNet_uniform) instead of all together.
    #[config(default = false)]
    pub uniform: bool,
    /// Leaves the first layer dense.
    #[config(default = false)]
    pub dense_first: bool,
    /// Seed of a sparse start.
    #[config(default = 0)]
    pub seed: u64,
}

impl GraNetConfig {
    /// A pruner of all prunable weights, those of [`Masks::dense`].
    ///
    /// # Errors
    /// Names the field that is out of range; or if there is no such weight.
    pub fn init<M: Module>(&self, model: &M) -> Result<Pruner> {
        self.parts()?.init(model)
    }

    /// A pruner of the weights that these masks cover, for example of a
    /// [`ParamGroup`](burn::module::ParamGroup) by [`Masks::dense_of`]. A sparse start replaces their flags.
    ///
    /// # Errors
    /// Names the field that is out of range.
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

    /// GraNet as a combination of the parts of dynamic sparse training.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn parts(&self) -> Result<DynamicSparseConfig> {
        fraction("final_sparsity", self.final_sparsity, false)?;
        let parts = DynamicSparseConfig::new(self.final_sparsity, self.total_steps)
            .with_initial_sparsity(Some(self.initial_sparsity))
            .with_prune_from(self.prune_from)
            .with_prune_until(self.prune_until)
            .with_uniform(self.uniform)
            .with_update_every(self.update_every)
            .with_swap_start(self.swap_start)
            .with_swap_end(self.swap_end)
            .with_dense_first(self.dense_first)
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
    fn swap_fraction_t100() {
        let granet = GraNetConfig::new(0.9, 100).method().unwrap();
        for (step, expected) in [
            (0, 0.5),
            (25, 0.427509),
            (50, 0.2525),
            (75, 0.077491),
            (100, 0.005),
        ] {
            assert_abs_diff_eq!(granet.swap_fraction(step), expected, epsilon = 1e-6);
        }
    }
}
