//! The activity of units over the micro-batches of one step.

use burn::tensor::Tensor;

use super::activity::Activations;
use super::units::Units;
use crate::{ContinualError, Result};

/// Of each layer, sums over micro-batches of the units' mean magnitudes and mean values, in f32.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    sums: Vec<[Tensor<1>; 2]>,
    count: usize,
}

impl Gathered {
    /// Adds a micro-batch; what it shows must have all layers, of these sizes.
    pub(super) fn add(
        &mut self,
        layers: &[Units],
        sizes: &[usize],
        shown: &[Activations],
    ) -> Result<()> {
        let pairs = layers.iter().zip(sizes);
        let of = pairs.map(|(layer, size)| {
            let found = shown.iter().find(|shown| shown.layer == layer.layer);
            let what = || format!("the activations of `{}`", layer.layer);
            let found =
                found.ok_or_else(|| ContinualError::mismatch(what(), "one of `probed`", "none"))?;
            found.check()?;
            let [_, units, _] = found.values.dims();
            if units != *size {
                return Err(ContinualError::mismatch(what(), size, units));
            }
            Ok([found.magnitudes(), found.means()])
        });
        let of = of.collect::<Result<Vec<_>>>()?;
        if self.count == 0 {
            self.sums = of;
        } else {
            for (sums, new) in self.sums.iter_mut().zip(of) {
                for (sum, new) in sums.iter_mut().zip(new) {
                    *sum = new.to_device(&sum.device()) + sum.clone();
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Mean magnitudes and mean values of each layer's units; nothing if no micro-batch was seen.
    pub(super) fn take(&mut self) -> Vec<[Tensor<1>; 2]> {
        let Self { sums, count } = std::mem::take(self);
        let mean = |sum: Tensor<1>| sum / count.max(1) as f64;
        sums.into_iter().map(|sums| sums.map(mean)).collect()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
