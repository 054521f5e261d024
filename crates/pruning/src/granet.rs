//! # GraNet
//!
//! Gradual magnitude pruning that swaps the weakest of the remaining weights for those of largest gradient.
//!
//! Source: Liu et al., "Sparse Training via Boosting Pruning Plasticity with Neuroregeneration"
//! (arXiv 2106.10404), algorithm 1 and equations 1 to 3.

use burn::config::Config;
use burn::module::Module;
use regimen_schedules::Schedule;

use crate::cubic::CubicSparsity;
use crate::density::{Layout, ceil};
use crate::error::{fraction, positive};
use crate::layer::{Layer, prune_global};
use crate::magnitude::prune_uniform;
use crate::training::{Event, SparseMethod, Timing};
use crate::{Masks, Pruner, PruningError};

/// Configuration of GraNet.
///
/// At every `update_every`-th step, after the optimizer's step: keep the largest `|w|` of all masked layers
/// by [`CubicSparsity`] (from `prune_from` to `prune_until`), then in each layer with `n` weights left swap
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
    /// Step at which the final sparsity is reached; half of `total_steps` if not given.
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
    /// A pruner of all weights of rank 2 and 4.
    ///
    /// # Errors
    /// Names the field that is out of range; or if there is no such weight.
    pub fn init<M: Module>(&self, model: &M) -> crate::Result<Pruner> {
        let masks = Masks::dense(model)?;
        self.init_on(if self.dense_first {
            masks.without_first()?
        } else {
            masks
        })
    }

    /// A pruner of the weights that these masks cover, for example of a
    /// [`ParamGroup`](burn::module::ParamGroup) by [`Masks::dense_of`]. A sparse start replaces their flags.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn init_on(&self, masks: Masks) -> crate::Result<Pruner> {
        let method = self.method()?;
        let masks = if self.initial_sparsity > 0.0 {
            masks.random(Layout::Erk, 1.0 - self.initial_sparsity, self.seed)?
        } else {
            masks
        };
        Ok(Pruner::new(method, masks, self.seed))
    }

    /// The method alone.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn method(&self) -> crate::Result<GraNet> {
        positive("update_every", self.update_every)?;
        positive("total_steps", self.total_steps)?;
        fraction("swap_start", self.swap_start, false)?;
        fraction("swap_end", self.swap_end, false)?;
        let end = self.prune_until.unwrap_or(self.total_steps / 2);
        if end > self.total_steps {
            let allowed = format!("at most total_steps, {}", self.total_steps);
            return Err(PruningError::range("prune_until", end, &allowed));
        }
        let (first, last) = (self.initial_sparsity, self.final_sparsity);
        Ok(GraNet {
            sparsity: CubicSparsity::new(first, last, self.prune_from, end)?,
            config: self.clone(),
        })
    }
}

/// GraNet's decisions.
#[derive(Clone, Debug)]
pub struct GraNet {
    config: GraNetConfig,
    sparsity: CubicSparsity,
}

impl GraNet {
    /// The target sparsity at a step.
    #[must_use]
    pub fn sparsity(&self, step: usize) -> f64 {
        self.sparsity.at(step)
    }

    /// The share of a layer's remaining weights that an event at this step swaps.
    #[must_use]
    pub fn swap_fraction(&self, step: usize) -> f64 {
        let progress = step.min(self.config.total_steps) as f64 / self.config.total_steps as f64;
        let (start, end) = (self.config.swap_start, self.config.swap_end);
        end + 0.5 * (start - end) * (1.0 + (std::f64::consts::PI * progress).cos())
    }
}

impl SparseMethod for GraNet {
    fn timing(&self, step: usize) -> Timing {
        if step.is_multiple_of(self.config.update_every) {
            Timing::After
        } else {
            Timing::None
        }
    }

    fn needs_gradients(&self) -> bool {
        self.config.swap_start > 0.0 || self.config.swap_end > 0.0
    }

    fn update(&self, event: &Event, layers: &mut [Layer]) -> crate::Result<usize> {
        layers.iter_mut().for_each(Layer::absolute);
        let sparsity = self.sparsity(event.step);
        if self.config.uniform {
            prune_uniform(layers, sparsity)?;
        } else {
            let total = layers.iter().map(|layer| layer.active.len()).sum();
            prune_global(layers, crate::density::keep(total, sparsity))?;
        }
        if !self.needs_gradients() {
            return Ok(0);
        }
        let fraction = self.swap_fraction(event.step);
        let swap = |layer: &mut Layer| layer.regenerate(ceil(fraction * layer.count() as f64));
        layers.iter_mut().map(swap).sum()
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
