//! The same decisions over weights, gradients and momenta that stay on their device.

use burn::tensor::{Bool, DType, FloatDType, Tensor, TensorData};
use rand::Rng;
use rayon::prelude::*;
use regimen_tensor::{ParamVector, memory, threshold};

use super::drop::Signs;
use super::prune::uniform_keeps;
use super::{DropRule, GrowthRule, Layer, Rounding};
use crate::{Masks, PruningError, Result};

/// A masked layer at an event: its values on their device, its flags on the host.
///
/// The rules are those of [`Layer`], and decide the same: scores are computed and compared in single precision on the
/// device, and of a decision only one flag a weight comes back. Values are flat and off the tape.
#[derive(Clone, Debug)]
pub struct DeviceLayer {
    /// The weights, in single precision.
    pub weights: Tensor<1>,
    /// The dense gradient of the last batch; none if the method asks for none, or if a rule has used it up.
    pub gradient: Option<Tensor<1>>,
    /// The optimizer's momentum, as [`Layer::momentum`]; none if the method asks for none, or if a rule has used it up.
    pub momentum: Option<Tensor<1>>,
    /// What is active, kept, explored and frozen; its weights, gradient and momentum are empty.
    pub flags: Layer,
}

impl DeviceLayer {
    /// A layer in which everything active is kept so far.
    #[must_use]
    pub fn new(weights: Tensor<1>, gradient: Option<Tensor<1>>, active: Vec<bool>) -> Self {
        Self {
            weights: single(weights),
            gradient: gradient.map(single),
            momentum: None,
            flags: Layer::new(Vec::new(), Vec::new(), active),
        }
    }

    /// The layer on the host, for methods that decide there.
    ///
    /// # Errors
    /// If the device can't be read.
    pub fn to_host(&self) -> Result<Layer> {
        self.clone().take()
    }

    /// As [`to_host`](Self::to_host), without a second copy of anything but the weights: flags, gradient and momentum are
    /// used up.
    pub(crate) fn take(&mut self) -> Result<Layer> {
        let read = |what: &str, values: Option<Tensor<1>>| {
            values.map_or_else(|| Ok(Vec::new()), |values| memory::read(what, values))
        };
        let (gradient, momentum) = (self.gradient.take(), self.momentum.take());
        Ok(Layer {
            weights: memory::read("weights", self.weights.clone())?,
            gradient: read("gradient", gradient)?,
            momentum: read("momentum", momentum)?,
            ..std::mem::replace(
                &mut self.flags,
                Layer::new(Vec::new(), Vec::new(), Vec::new()),
            )
        })
    }

    /// As [`Layer::swap`]. Gradient and momentum are used up.
    ///
    /// # Errors
    /// As [`Layer::swap`]; or if the flags, the gradient or the momentum are not one a weight.
    pub fn swap(
        &mut self,
        drop: DropRule,
        share: f64,
        rounding: Rounding,
        growth: GrowthRule,
        rng: &mut impl Rng,
    ) -> Result<usize> {
        self.fits()?;
        let before = self.flags.count();
        if self.flags.frozen || before == self.flags.active.len() || share == 0.0 {
            return Ok(0);
        }
        let dropped = self.drops(drop, share, rounding)?;
        self.flags.drop(&dropped);
        let count = before - self.flags.count();
        let grown = self.grows(growth, count, rng)?;
        self.flags.grow(&grown);
        Ok(count)
    }

    /// That there is one flag, one gradient and one momentum a weight.
    fn fits(&self) -> Result<()> {
        let weights = self.flags.active.len();
        let length = |values: &Option<Tensor<1>>| values.as_ref().map(|values| values.dims()[0]);
        for (field, found) in [
            ("weights.len()", Some(self.weights.dims()[0])),
            ("gradient.len()", length(&self.gradient)),
            ("momentum.len()", length(&self.momentum)),
            ("kept.len()", Some(self.flags.kept.len())),
        ] {
            if let Some(found) = found.filter(|found| *found != weights) {
                let allowed = format!("{weights}, one a flag of what is active");
                return Err(PruningError::range(field, found, &allowed));
            }
        }
        Ok(())
    }

    /// As [`DropRule::choose`].
    fn drops(&self, rule: DropRule, share: f64, rounding: Rounding) -> Result<Vec<bool>> {
        let active = &self.flags.active;
        let weights = self.weights.clone();
        match rule {
            DropRule::Magnitude => smallest(
                weights.abs(),
                active,
                rounding.of(share, self.flags.count()),
            ),
            DropRule::Taylor => {
                let count = rounding.of(share, self.flags.count());
                let gradient = self.gradient.clone();
                let gradient = gradient.ok_or_else(|| self.lacks("gradient.len()"))?;
                smallest((weights * gradient).square(), active, count)
            }
            DropRule::NextToZero | DropRule::Halves => {
                let below = threshold::flags(weights.clone().lower_elem(0.0))?;
                let signs = Signs::of(active, below);
                let (positive, negative) = signs.shares(rule, share, rounding);
                let mut low = smallest(weights.clone(), &signs.positive, positive)?;
                let high = largest(weights, &signs.negative, negative)?;
                low.par_iter_mut().zip(high).for_each(|(a, b)| *a |= b);
                Ok(low)
            }
        }
    }

    /// As [`GrowthRule::choose`].
    fn grows(&mut self, rule: GrowthRule, count: usize, rng: &mut impl Rng) -> Result<Vec<bool>> {
        let (scores, field) = match rule {
            GrowthRule::Random | GrowthRule::Unfired => {
                return rule.choose(&mut self.flags, count, rng);
            }
            GrowthRule::Gradient => (self.gradient.take(), "gradient.len()"),
            GrowthRule::Momentum => (self.momentum.take(), "momentum.len()"),
        };
        let scores = scores.ok_or_else(|| self.lacks(field))?;
        largest(scores.abs(), &self.flags.inactive(), count)
    }

    fn lacks(&self, field: &'static str) -> PruningError {
        let allowed = format!("{}, one a weight", self.flags.active.len());
        PruningError::range(field, 0, &allowed)
    }
}

/// Whether all layers are in the host's memory ([`memory::on_host`]).
pub(crate) fn on_host(layers: &[DeviceLayer]) -> bool {
    let mut layers = layers.iter();
    layers.all(|layer| memory::on_host(&layer.weights.device()))
}

/// Has layers decided on by a method of host slices; their flags are what it leaves.
///
/// # Errors
/// If a device can't be read, or as the method.
pub(crate) fn decide_on_host<T>(
    layers: &mut [DeviceLayer],
    decide: impl FnOnce(&mut [Layer]) -> Result<T>,
) -> Result<T> {
    let host = layers.iter_mut().map(DeviceLayer::take);
    let mut host = host.collect::<Result<Vec<Layer>>>()?;
    let decided = decide(&mut host);
    for (layer, host) in layers.iter_mut().zip(host) {
        layer.flags = Layer {
            weights: Vec::new(),
            gradient: Vec::new(),
            momentum: Vec::new(),
            ..host
        };
    }
    decided
}

/// As [`prune_global`](super::prune_global), over weights of any sign.
///
/// # Errors
/// If a weight is not finite.
pub(crate) fn prune_global_on_device(layers: &mut [DeviceLayer], keep: usize) -> Result<()> {
    let active: usize = layers.iter().map(|layer| layer.flags.count()).sum();
    if keep >= active {
        return Ok(());
    }
    let scores = layers.iter().map(|layer| {
        // Below all magnitudes, so that nothing inactive is revived.
        only(layer.weights.clone().abs(), &layer.flags.active, -1.0)
    });
    let masks = threshold::largest(scores.collect(), keep)?;
    for (layer, mask) in layers.iter_mut().zip(masks) {
        layer.flags.restrict(&threshold::flags(mask)?);
    }
    Ok(())
}

/// As [`prune_uniform`](super::prune_uniform), over weights of any sign.
///
/// # Errors
/// If a weight is not finite, or `sparsity` is outside of [0, 1].
pub(crate) fn prune_uniform_on_device(layers: &mut [DeviceLayer], sparsity: f64) -> Result<()> {
    let flags: Vec<Layer> = layers.iter().map(|layer| layer.flags.clone()).collect();
    let keeps = uniform_keeps(&flags, sparsity)?;
    drop(flags);
    for (layer, keep) in keeps.into_iter().enumerate() {
        prune_global_on_device(&mut layers[layer..=layer], keep)?;
    }
    Ok(())
}

/// That all weights at a decision are finite: a finite sum has finite terms, so one scalar that is read settles it; where
/// the sum is not finite, each layer is looked at.
pub(crate) fn finite_on_device(step: usize, masks: &Masks, weights: &ParamVector) -> Result<()> {
    let sums = weights.entries().iter();
    let sums = sums.map(|entry| single(entry.values.clone()).sum());
    let total = sums.reduce(|sum, part| part.to_device(&sum.device()) + sum);
    if total.is_none_or(|total| total.into_scalar::<f32>().is_finite()) {
        return Ok(());
    }
    let mut layers = weights.entries().iter().zip(masks.layers());
    let bad =
        layers.find(|(entry, _)| !entry.values.clone().is_finite().all().into_scalar::<bool>());
    match bad {
        Some((_, mask)) => Err(PruningError::Weight {
            step,
            path: mask.path.clone(),
        }),
        None => Ok(()),
    }
}

fn single(values: Tensor<1>) -> Tensor<1> {
    let values = values.detach().inner();
    match values.dtype() {
        DType::F32 => values,
        _ => values.cast(FloatDType::F32),
    }
}

/// Exactly `count` of the eligible scores, the largest; ties by low index.
fn largest(scores: Tensor<1>, eligible: &[bool], count: usize) -> Result<Vec<bool>> {
    enough(eligible, count)?;
    let mut masks = threshold::largest(vec![only(scores, eligible, f32::MIN)], count)?;
    Ok(threshold::flags(masks.swap_remove(0))?)
}

/// Exactly `count` of the eligible scores, the smallest; ties by low index.
fn smallest(scores: Tensor<1>, eligible: &[bool], count: usize) -> Result<Vec<bool>> {
    enough(eligible, count)?;
    let mut masks = threshold::smallest(vec![only(scores, eligible, f32::MAX)], count)?;
    Ok(threshold::flags(masks.swap_remove(0))?)
}

fn enough(eligible: &[bool], count: usize) -> Result<()> {
    let found = eligible.par_iter().filter(|flag| **flag).count();
    if count > found {
        let allowed = format!("at most {found}, the weights that can be chosen");
        return Err(PruningError::range("count", count, &allowed));
    }
    Ok(())
}

/// The scores, with those that are not eligible replaced.
fn only(scores: Tensor<1>, eligible: &[bool], other: f32) -> Tensor<1> {
    if !eligible.par_iter().any(|flag| !flag) {
        return scores;
    }
    let off: Vec<bool> = eligible.par_iter().map(|flag| !flag).collect();
    let data = TensorData::new(off, [eligible.len()]);
    let off = Tensor::<1, Bool>::from_data(data, &scores.device());
    scores.mask_fill(off, other)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::rules::{prune_global, prune_uniform};

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(
            TensorData::new(values.to_vec(), [values.len()]),
            &Device::flex(),
        )
    }

    fn pair(weights: &[f32], gradient: &[f32], active: &[bool]) -> (Layer, DeviceLayer) {
        let mut host = Layer::new(weights.to_vec(), gradient.to_vec(), active.to_vec());
        host.momentum = gradient.iter().map(|g| g * 2.0 - 1.0).collect();
        host.explored = active.to_vec();
        let mut device = DeviceLayer::new(tensor(weights), Some(tensor(gradient)), active.to_vec());
        device.momentum = Some(tensor(&host.momentum));
        device.flags.explored = active.to_vec();
        (host, device)
    }

    fn same(host: &Layer, device: &DeviceLayer) -> bool {
        host.active == device.flags.active && host.kept == device.flags.kept
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        /// Few different values, so that ties are many.
        #[test]
        fn decisions_on_the_device_are_those_on_the_host(
            values in prop::collection::vec((-3_i8..4, -3_i8..4, any::<bool>()), 2..60),
            share in 0.0_f64..1.0,
            sparsity in 0.0_f64..1.0,
            seed in 0_u64..5,
        ) {
            let weights: Vec<f32> = values.iter().map(|v| f32::from(v.0) * 0.3).collect();
            let gradient: Vec<f32> = values.iter().map(|v| f32::from(v.1) * 0.7).collect();
            let active: Vec<bool> = values.iter().map(|v| v.2).collect();
            for drop in [DropRule::Magnitude, DropRule::NextToZero, DropRule::Halves, DropRule::Taylor] {
                for growth in [GrowthRule::Random, GrowthRule::Unfired, GrowthRule::Gradient, GrowthRule::Momentum] {
                    for rounding in [Rounding::Down, Rounding::Up] {
                        let (mut host, mut device) = pair(&weights, &gradient, &active);
                        let mut rng = [(); 2].map(|()| ChaCha8Rng::seed_from_u64(seed));
                        let a = host.swap(drop, share, rounding, growth, &mut rng[0]);
                        let b = device.swap(drop, share, rounding, growth, &mut rng[1]);
                        prop_assert_eq!(a.ok(), b.ok(), "{:?} {:?}", drop, growth);
                        prop_assert!(same(&host, &device), "{:?} {:?}", drop, growth);
                    }
                }
            }
            let half = weights.len() / 2;
            let parts = || [0..half, half..weights.len()]
                .map(|at| pair(&weights[at.clone()], &gradient[at.clone()], &active[at]));
            let keep = ((1.0 - sparsity) * weights.len() as f64) as usize;
            let (mut host, mut device): (Vec<_>, Vec<_>) = parts().into_iter().unzip();
            host.iter_mut().for_each(Layer::absolute);
            prune_global(&mut host, keep).unwrap();
            prune_global_on_device(&mut device, keep).unwrap();
            prop_assert!(host.iter().zip(&device).all(|(a, b)| same(a, b)));
            let (mut host, mut device): (Vec<_>, Vec<_>) = parts().into_iter().unzip();
            host.iter_mut().for_each(Layer::absolute);
            prune_uniform(&mut host, sparsity).unwrap();
            prune_uniform_on_device(&mut device, sparsity).unwrap();
            prop_assert!(host.iter().zip(&device).all(|(a, b)| same(a, b)));
        }
    }

    #[test]
    fn what_a_rule_needs_and_lacks_is_named() {
        let layer = DeviceLayer::new(tensor(&[1.0, 2.0]), None, vec![true, false]);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for (drop, growth, name) in [
            (DropRule::Taylor, GrowthRule::Random, "gradient.len()"),
            (DropRule::Magnitude, GrowthRule::Gradient, "gradient.len()"),
            (DropRule::Magnitude, GrowthRule::Momentum, "momentum.len()"),
        ] {
            let error = layer
                .clone()
                .swap(drop, 0.5, Rounding::Up, growth, &mut rng);
            assert!(error.unwrap_err().to_string().contains(name));
        }
        let mut layers = [DeviceLayer::new(
            tensor(&[f32::NAN, 1.0]),
            None,
            vec![true; 2],
        )];
        assert!(prune_global_on_device(&mut layers, 1).is_err());
    }
}
