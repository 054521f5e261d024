//! # DynamicSparse
//!
//! Dynamic sparse training from parts: a start, a sparsity over time, a rule that drops and a rule that grows.
//!
//! Source: the common frame of SET (arXiv 1707.04780), RigL (arXiv 1911.11134), ITOP (arXiv 2102.02887) and GraNet
//! (arXiv 2106.10404).

use burn::config::Config;
use burn::module::Module;
use regimen_schedules::{Between, Curve, Schedule};

use super::{Pruner, SparseMethod};
use crate::error::{fraction, positive};
use crate::mask::density::{self, Layout, floor};
use crate::rules::{
    DeviceLayer, DropRule, Event, GrowthRule, Layer, Rounding, Timing, decide_on_host, on_host,
    prune_global, prune_global_on_device, prune_uniform, prune_uniform_on_device,
};
use crate::{Masks, PruningError, Result};

/// Configuration of dynamic sparse training: a new method is a new combination of these choices.
///
/// At every `update_every`-th step, after the optimizer's step (or in its place): if the sparsity is to rise,
/// keep the largest `|w|` for the target of that step; then in each layer drop a share of the active weights
/// and grow as many, which start at zero. A rising sparsity has one more event at `prune_until`, if that is no
/// multiple of `update_every`: the final sparsity is always reached.
///
/// | method | combination |
/// |---|---|
/// | [`SetConfig`](crate::SetConfig) | Erdos-Renyi start, constant share, next to zero, random |
/// | [`RigLConfig`](crate::RigLConfig) | ERK start, cosine share to 0, magnitude rounded down, gradient, in place of the step |
/// | [`GraNetConfig`](crate::GraNetConfig) | sparsity rises, cosine share, magnitude, gradient |
/// | [`MagnitudeConfig`](crate::MagnitudeConfig) | sparsity rises, no share |
/// | sparse momentum | constant or cosine share, magnitude, momentum |
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_pruning::{DropRule, DynamicSparseConfig, GrowthRule, Layout};
///
/// # let model = LinearConfig::new(64, 10).init(&Device::default().autodiff());
/// let pruner = DynamicSparseConfig::new(0.9, 10_000)
///     .with_layout(Layout::Uniform)
///     .with_drop(DropRule::Taylor)
///     .with_growth(GrowthRule::Momentum)
///     .init(&model)?;
/// assert_eq!(pruner.masks().count(), 64);
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[derive(Config, Debug)]
pub struct DynamicSparseConfig {
    /// Sparsity at the end, in [0, 1).
    pub sparsity: f64,
    /// Training steps of the whole run.
    pub total_steps: usize,
    /// Sparsity at the start, in [0, `sparsity`]; the same as at the end if not given.
    pub initial_sparsity: Option<f64>,
    /// How the sparsity rises.
    #[config(default = "Curve::CUBIC")]
    pub sparsity_curve: Curve,
    /// Step at which the sparsity starts to rise.
    #[config(default = 0)]
    pub prune_from: usize,
    /// Step at which the final sparsity is reached, an event in any case; half of `total_steps` if not given.
    pub prune_until: Option<usize>,
    /// Prunes each layer to the same sparsity ([`prune_uniform`](crate::prune_uniform)) instead of all together.
    #[config(default = false)]
    pub uniform: bool,
    /// Steps between events.
    #[config(default = 100)]
    pub update_every: usize,
    /// Share of the run, in [0, 1], from whose end on there are no events; if not given they never stop. A rising
    /// sparsity must end before.
    pub until: Option<f64>,
    /// Share of a layer that an event at step 0 would swap, in [0, 1).
    #[config(default = 0.3)]
    pub swap_start: f64,
    /// Share that is swapped at the end, in [0, 1).
    #[config(default = 0.0)]
    pub swap_end: f64,
    /// How the share goes from start to end.
    #[config(default = "Curve::Cosine")]
    pub swap: Curve,
    /// Which active weights are dropped.
    #[config(default = "DropRule::Magnitude")]
    pub drop: DropRule,
    /// How the share becomes a number.
    #[config(default = "Rounding::Up")]
    pub rounding: Rounding,
    /// Which inactive weights are grown.
    #[config(default = "GrowthRule::Gradient")]
    pub growth: GrowthRule,
    /// How a sparse start is shared out over the layers.
    #[config(default = "Layout::Erk")]
    pub layout: Layout,
    /// An event takes the place of the optimizer's step.
    #[config(default = false)]
    pub in_place_of_step: bool,
    /// Leaves the first layer dense.
    #[config(default = false)]
    pub dense_first: bool,
    /// Seed of a sparse start and of random growth.
    #[config(default = 0)]
    pub seed: u64,
}

impl DynamicSparseConfig {
    /// A pruner of all prunable weights, those of [`Masks::dense`].
    ///
    /// # Errors
    /// Names the field that is out of range; or if there is no such weight.
    pub fn init<M: Module>(&self, model: &M) -> Result<Pruner> {
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
    /// Names the field that is out of range; `update_every`, if weights are to be swapped and the run has no event.
    pub fn init_on(&self, masks: Masks) -> Result<Pruner> {
        let method = self.method()?;
        let events = method
            .last
            .map_or(self.total_steps, |last| last.saturating_sub(1));
        let still = !method.swaps || method.rises || self.until == Some(0.0);
        if !still && self.update_every > events {
            let allowed = format!("1 to {events}, the last step that can be an event");
            return Err(PruningError::range(
                "update_every",
                self.update_every,
                &allowed,
            ));
        }
        let start = self.start();
        let masks = if start > 0.0 || self.initial_sparsity.is_none() {
            masks.random(self.layout, 1.0 - start, self.seed)?
        } else {
            masks
        };
        Ok(Pruner::new(method, masks, self.seed))
    }

    fn start(&self) -> f64 {
        self.initial_sparsity.unwrap_or(self.sparsity)
    }

    /// The method alone.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn method(&self) -> Result<DynamicSparse> {
        positive("update_every", self.update_every)?;
        positive("total_steps", self.total_steps)?;
        fraction("swap_start", self.swap_start, false)?;
        fraction("swap_end", self.swap_end, false)?;
        let last = match self.until {
            Some(until) => {
                fraction("until", until, true)?;
                Some(floor(until * self.total_steps as f64))
            }
            None => None,
        };
        let end = last.unwrap_or(self.total_steps);
        let sparsity = self.sparsity_schedule()?;
        let rises = self.initial_sparsity.is_some();
        let ends = self.prune_until.unwrap_or(self.total_steps / 2).max(1);
        if let Some(last) = last.filter(|last| rises && *last <= ends) {
            return Err(PruningError::range(
                "until",
                format!("{}, which is step {last},", self.until.unwrap_or_default()),
                &format!(
                    "a share that ends after step {ends}, where the final sparsity is reached"
                ),
            ));
        }
        Ok(DynamicSparse {
            sparsity,
            swap: Between::new(self.swap_start, self.swap_end, 0, end, self.swap)?,
            swaps: self.swap_start > 0.0 || self.swap_end > 0.0,
            rises,
            ends,
            last,
            config: self.clone(),
        })
    }

    fn sparsity_schedule(&self) -> Result<Between> {
        let (first, last) = (self.start(), self.sparsity);
        fraction("sparsity", last, false)?;
        fraction("initial_sparsity", first, false)?;
        if first > last {
            let allowed = format!("0 to the final sparsity, {last}");
            return Err(PruningError::range("initial_sparsity", first, &allowed));
        }
        let end = self.prune_until.unwrap_or(self.total_steps / 2);
        if !(self.prune_from..=self.total_steps).contains(&end) && self.initial_sparsity.is_some() {
            let allowed = format!(
                "prune_from, {}, to total_steps, {}",
                self.prune_from, self.total_steps
            );
            return Err(PruningError::range("prune_until", end, &allowed));
        }
        let from = self.prune_from.min(end);
        Ok(Between::new(first, last, from, end, self.sparsity_curve)?)
    }
}

/// The decisions of dynamic sparse training.
#[derive(Clone, Debug)]
pub struct DynamicSparse {
    config: DynamicSparseConfig,
    sparsity: Between,
    swap: Between,
    swaps: bool,
    rises: bool,
    /// The step at which a rising sparsity reaches its end.
    ends: usize,
    last: Option<usize>,
}

impl DynamicSparse {
    /// The target sparsity at a step.
    #[must_use]
    pub fn sparsity(&self, step: usize) -> f64 {
        self.sparsity.at(step)
    }

    /// The share of a layer's active weights that an event at this step swaps.
    #[must_use]
    pub fn swap_fraction(&self, step: usize) -> f64 {
        self.swap.at(step)
    }

    fn prune(&self, step: usize, layers: &mut [Layer]) -> Result<()> {
        let sparsity = self.sparsity(step);
        layers.iter_mut().for_each(Layer::absolute);
        if self.config.uniform {
            return prune_uniform(layers, sparsity);
        }
        let total = layers.iter().map(|layer| layer.active.len()).sum();
        prune_global(layers, density::keep(total, sparsity))
    }
}

impl SparseMethod for DynamicSparse {
    /// With the choices that tell GraNet, RigL, SET, magnitude pruning and other combinations apart: whether the sparsity
    /// rises, and the rules of drop and growth. Numbers, as of steps or shares, are no part of it.
    fn name(&self) -> String {
        let sparsity = if self.rises { "rising" } else { "constant" };
        let (drop, growth) = (self.config.drop, self.config.growth);
        let swaps = match self.swaps {
            true => format!("drop {drop:?}, growth {growth:?}"),
            false => "no swaps".into(),
        };
        format!("DynamicSparse, {sparsity} sparsity, {swaps}")
    }

    fn timing(&self, step: usize) -> Timing {
        let due =
            step.is_multiple_of(self.config.update_every) || (self.rises && step == self.ends);
        if !due || self.last.is_some_and(|last| step >= last) {
            Timing::None
        } else if self.config.in_place_of_step {
            Timing::Instead
        } else {
            Timing::After
        }
    }

    fn needs_gradients(&self) -> bool {
        let (growth, drop) = (self.config.growth, self.config.drop);
        self.swaps && (growth.needs_gradients() || drop.needs_gradients())
    }

    fn needs_momentum(&self) -> bool {
        self.swaps && self.config.growth.needs_momentum()
    }

    fn needs_history(&self) -> bool {
        self.swaps && self.config.growth.needs_history()
    }

    fn update(&self, event: &Event, layers: &mut [Layer]) -> Result<usize> {
        // Pruning takes magnitudes in place; a rule that needs signs sees the weights as they were.
        let signed = self.rises && self.swaps && self.config.drop != DropRule::Magnitude;
        let weights: Option<Vec<Vec<f32>>> =
            signed.then(|| layers.iter().map(|layer| layer.weights.clone()).collect());
        if self.rises {
            self.prune(event.step, layers)?;
        }
        if !self.swaps {
            return Ok(0);
        }
        if let Some(weights) = weights {
            let pairs = layers.iter_mut().zip(weights);
            pairs.for_each(|(layer, weights)| layer.weights = weights);
        }
        let (share, mut rng) = (self.swap_fraction(event.step), event.generator());
        let (drop, rounding, growth) = (self.config.drop, self.config.rounding, self.config.growth);
        let swap = |layer: &mut Layer| layer.swap(drop, share, rounding, growth, &mut rng);
        layers.iter_mut().map(swap).sum()
    }

    /// Layers that are all in the host's memory are decided on there, where flags need no tensors and a selection takes two
    /// passes; others stay on their device.
    fn update_on_device(&self, event: &Event, layers: &mut [DeviceLayer]) -> Result<usize> {
        if on_host(layers) {
            return decide_on_host(layers, |layers| self.update(event, layers));
        }
        self.update_by_tensors(event, layers)
    }
}

impl DynamicSparse {
    /// What [`update`](SparseMethod::update) decides, by tensor operations alone.
    fn update_by_tensors(&self, event: &Event, layers: &mut [DeviceLayer]) -> Result<usize> {
        if self.rises {
            let sparsity = self.sparsity(event.step);
            if self.config.uniform {
                prune_uniform_on_device(layers, sparsity)?;
            } else {
                let total = layers.iter().map(|layer| layer.flags.active.len()).sum();
                prune_global_on_device(layers, density::keep(total, sparsity))?;
            }
        }
        if !self.swaps {
            return Ok(0);
        }
        let (share, mut rng) = (self.swap_fraction(event.step), event.generator());
        let (drop, rounding, growth) = (self.config.drop, self.config.rounding, self.config.growth);
        let swap = |layer: &mut DeviceLayer| layer.swap(drop, share, rounding, growth, &mut rng);
        layers.iter_mut().map(swap).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn shares_follow_their_curve() {
        let share = |curve, step| {
            let config = DynamicSparseConfig::new(0.9, 100).with_swap(curve);
            config.method().unwrap().swap_fraction(step)
        };
        assert_abs_diff_eq!(share(Curve::Cosine, 50), 0.15, epsilon = 1e-12);
        assert_abs_diff_eq!(share(Curve::Linear, 25), 0.225, epsilon = 1e-12);
        assert_eq!(share(Curve::Held, 99), 0.3);
        assert_eq!(share(Curve::Held, 100), 0.0);
    }

    #[test]
    fn a_rising_sparsity_and_signed_drops_compose() {
        let method = DynamicSparseConfig::new(0.5, 10)
            .with_initial_sparsity(Some(0.0))
            .with_update_every(1)
            .with_drop(DropRule::NextToZero)
            .with_growth(GrowthRule::Random)
            .method()
            .unwrap();
        let weights = vec![0.9, -0.8, 0.7, -0.6, 0.1, -0.2, 0.3, -0.4];
        let mut layers = [Layer::new(weights, vec![], vec![true; 8])];
        let event = Event {
            step: 9,
            index: 0,
            seed: 1,
        };
        // Four are left, .9 .7 -.8 -.6; of each sign a share rounds up to one that goes.
        assert_eq!(method.update(&event, &mut layers).unwrap(), 2);
        assert_eq!(layers[0].count(), 4);
        let kept = [1, 1, 0, 0, 0, 0, 0, 0].map(|f| f == 1);
        assert_eq!(layers[0].kept, kept);
        let weights = burn::tensor::Tensor::<1>::from_floats(
            [0.9, -0.8, 0.7, -0.6, 0.1, -0.2, 0.3, -0.4],
            &burn::tensor::Device::flex(),
        );
        for path in [
            DynamicSparse::update_on_device,
            DynamicSparse::update_by_tensors,
        ] {
            let mut on_device = [DeviceLayer::new(weights.clone(), None, vec![true; 8])];
            assert_eq!(path(&method, &event, &mut on_device).unwrap(), 2);
            assert_eq!(on_device[0].flags.active, layers[0].active);
            assert_eq!(on_device[0].flags.kept, kept);
        }
    }

    #[test]
    fn configs_out_of_range_name_the_field() {
        let base = DynamicSparseConfig::new(0.9, 10);
        for (config, field) in [
            (DynamicSparseConfig::new(1.0, 10), "sparsity"),
            (
                base.clone().with_initial_sparsity(Some(0.95)),
                "initial_sparsity",
            ),
            (
                base.clone()
                    .with_initial_sparsity(Some(0.1))
                    .with_prune_until(Some(11)),
                "prune_until",
            ),
            (base.clone().with_until(Some(1.5)), "until"),
            (base.clone().with_swap_end(-0.1), "swap_end"),
            (base.clone().with_update_every(0), "update_every"),
        ] {
            let error = config.method().unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }
}
