//! The utility, mean output and age of a layer's units.

use burn::tensor::{FloatDType, Tensor, TensorData};
use regimen_tensor::memory::read;

use super::super::recycle::Changed;
use super::super::units::{Found, Spread};
use crate::{ContinualError, Result};

/// What is kept of a layer: running sums on the device, ages and the budget on the host.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// Running utility and running mean output, `[units]`, in f32; none before the first update.
    pub(super) running: Option<[Tensor<1>; 2]>,
    pub(super) ages: Vec<u64>,
    /// Units to replace, in parts.
    pub(super) budget: f64,
}

impl Layer {
    pub(super) fn new(units: usize) -> Self {
        Self {
            running: None,
            ages: vec![0; units],
            budget: 0.0,
        }
    }

    /// An update: `outgoing` are the mean magnitudes of the units' outgoing weights.
    pub(super) fn update(
        &mut self,
        eta: f64,
        magnitudes: Tensor<1>,
        means: Tensor<1>,
        outgoing: Tensor<1>,
    ) {
        let magnitudes = magnitudes.to_device(&outgoing.device());
        let means = means.to_device(&outgoing.device());
        let new = [magnitudes * outgoing, means];
        let new = new.map(|new| new * (1.0 - eta));
        self.running = Some(match self.running.take() {
            Some([utility, mean]) => {
                let [new_utility, new_mean] = new;
                let utility = utility.to_device(&new_utility.device());
                let mean = mean.to_device(&new_mean.device());
                [utility * eta + new_utility, mean * eta + new_mean]
            }
            None => new,
        });
        for age in &mut self.ages {
            *age = age.saturating_add(1);
        }
    }

    /// `1 / (1 - eta^age)` of each unit; 0 for one without an update.
    fn corrections(&self, eta: f64) -> Vec<f32> {
        let of = |age: &u64| match *age {
            0 => 0.0,
            age => (1.0 / (1.0 - eta.powf(age as f64))) as f32,
        };
        self.ages.iter().map(of).collect()
    }

    fn scaled(&self, which: usize, eta: f64) -> Option<Tensor<1>> {
        let running = self.running.as_ref()?[which].clone();
        let corrections = self.corrections(eta);
        let corrections = TensorData::new(corrections, running.shape());
        let options = (&running.device(), FloatDType::F32.into());
        Some(running * Tensor::from_data(corrections, options))
    }

    /// The utilities, corrected for age.
    pub(super) fn corrected(&self, eta: f64) -> Option<Tensor<1>> {
        self.scaled(0, eta)
    }

    /// Adds to the budget, and takes the units of the lowest utility from it. Utilities are read from the device only then.
    pub(super) fn due(&mut self, rho: f64, eta: f64, maturity: u64) -> Result<Vec<usize>> {
        let mature = |unit: &usize| self.ages[*unit] > maturity;
        let mut units: Vec<usize> = (0..self.ages.len()).filter(mature).collect();
        let budget = self.budget + rho * units.len() as f64;
        let count = (budget.floor() as usize).min(units.len());
        let Some(utilities) = self.corrected(eta).filter(|_| count > 0) else {
            self.budget = budget;
            return Ok(Vec::new());
        };
        let utilities = read("utilities of units", utilities)?;
        if utilities.iter().any(|utility| !utility.is_finite()) {
            return Err(ContinualError::NotFinite("the utilities of units".into()));
        }
        units.sort_by(|a, b| utilities[*a].total_cmp(&utilities[*b]));
        units.truncate(count);
        self.budget = budget - count as f64;
        Ok(units)
    }

    /// Adds what the flagged units gave in the mean to the biases of the layers that read them.
    pub(super) fn correct_next(
        &self,
        found: &Found,
        flags: &[bool],
        eta: f64,
        changed: &mut Changed,
    ) {
        let Some(means) = self.scaled(1, eta) else {
            return;
        };
        let on: Vec<f32> = flags
            .iter()
            .map(|flag| f32::from(u8::from(*flag)))
            .collect();
        let options = (&means.device(), FloatDType::F32.into());
        let means = means * Tensor::from_data(TensorData::new(on, [flags.len()]), options);
        for (next, bias) in &found.next {
            let Some(bias) = bias else { continue };
            let given = given(next, &means);
            if given.dims() != bias.values.dims() {
                continue;
            }
            let now = changed.now(bias);
            let sum = now.values.clone().cast(FloatDType::F32) + given;
            changed.set(now.with_values(sum.cast(now.values.dtype())));
        }
    }

    /// Utility, mean and age of the flagged units begin anew.
    pub(super) fn begin_again(&mut self, flags: &[bool]) {
        if let Some(running) = self.running.take() {
            let kept: Vec<f32> = flags
                .iter()
                .map(|flag| f32::from(u8::from(!flag)))
                .collect();
            let kept = TensorData::new(kept, [flags.len()]);
            self.running = Some(running.map(|values| {
                let options = (&values.device(), FloatDType::F32.into());
                values * Tensor::from_data(kept.clone(), options)
            }));
        }
        for (age, flag) in self.ages.iter_mut().zip(flags) {
            if *flag {
                *age = 0;
            }
        }
    }
}

/// The mean magnitude of each unit's outgoing weights, over all layers that read it, `[units]`.
pub(super) fn outgoing(found: &Found) -> Tensor<1> {
    let units = found.weight.units;
    let (mut sum, mut count): (Option<Tensor<1>>, usize) = (None, 0);
    for (next, _) in &found.next {
        let part = next.wide().abs().sum_dim(2).sum_dim(0).reshape([units]);
        count += next.outer * next.inner;
        sum = Some(match sum {
            Some(before) => part.to_device(&before.device()) + before,
            None => part,
        });
    }
    let device = found.weight.entry.values.device();
    let none = || Tensor::zeros([units], (&device, FloatDType::F32.into()));
    sum.unwrap_or_else(none) / count.max(1) as f64
}

/// What units with these mean outputs give to each output of a layer that reads them: `[outputs]`.
fn given(next: &Spread, means: &Tensor<1>) -> Tensor<1> {
    let Spread {
        entry,
        outer,
        units,
        inner,
    } = next;
    let means = means.clone().reshape([1, *units, 1]);
    let products = next.wide() * means;
    match entry.shape.as_slice() {
        // Linear: a block of rows a unit, all outputs in each.
        [rows, outputs] => {
            let products = products.reshape([*rows, *outputs]);
            products.sum_dim(0).reshape([*outputs])
        }
        // A convolution: outputs lie first.
        _ => {
            let products = products.reshape([*outer, units * inner]);
            products.sum_dim(1).reshape([*outer])
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;
    use burn::tensor::Device;

    use super::*;

    fn tensor<const K: usize>(values: [f32; K]) -> Tensor<1> {
        Tensor::from_data(values, &Device::flex())
    }

    fn numbers(values: Tensor<1>) -> Vec<f32> {
        values.try_into_vec_as().unwrap()
    }

    /// Activations [[1, 0], [3, .2]] and outgoing weights [[1, -1], [.5, 2]], rows are next units.
    #[test]
    fn the_utility_of_the_specification() {
        let mut layer = Layer::new(2);
        let outgoing = tensor([0.75, 1.5]);
        layer.update(0.99, tensor([2.0, 0.1]), tensor([2.0, 0.1]), outgoing);
        let [utility, _] = layer.running.clone().unwrap();
        for (found, expected) in numbers(utility).iter().zip([0.015, 0.0015]) {
            assert_relative_eq!(*found, expected, max_relative = 1e-5);
        }
        let corrected = numbers(layer.corrected(0.99).unwrap());
        for (found, expected) in corrected.iter().zip([1.5, 0.15]) {
            assert_relative_eq!(*found, expected, max_relative = 1e-4);
        }
    }

    #[test]
    fn the_budget_counts_mature_units_and_takes_the_least_useful() {
        let mut layer = Layer::new(4);
        let step = |layer: &mut Layer| {
            let magnitudes = tensor([4.0, 1.0, 3.0, 2.0]);
            layer.update(0.9, magnitudes.clone(), magnitudes, tensor([1.0; 4]));
            layer.due(0.25, 0.9, 2).unwrap()
        };
        assert_eq!(step(&mut layer), [0_usize; 0]);
        assert_eq!(step(&mut layer), [0_usize; 0]);
        assert_eq!(layer.budget, 0.0);
        // All four are older than 2 by now.
        assert_eq!(step(&mut layer), [1]);
        layer.begin_again(&[false, true, false, false]);
        assert_eq!(layer.ages, [3, 0, 3, 3]);
        assert_eq!(numbers(layer.corrected(0.9).unwrap())[1], 0.0);
        // Three mature ones: .75, and the young one is never taken.
        assert_eq!(step(&mut layer), [0_usize; 0]);
        assert_eq!(step(&mut layer), [3]);
    }
}
