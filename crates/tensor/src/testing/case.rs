//! One model under one condition, with its data.

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::method::{Answer, Condition};
use super::reference::{CLASSES, FEATURES, Reference, VALUES, cast};
use crate::error::Result;
use crate::param_vector::independent;
use crate::per_example::cross_entropy;

/// Examples of a batch.
const ROWS: usize = 8;
/// Batches: with windows of 3, the last window holds one.
const BATCHES: usize = 7;

/// A batch: what all reference models read.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Inputs `[batch, 16]`, whole numbers from 0 to 7, in the type of the model.
    pub inputs: Tensor<2>,
    /// Classes `[batch]`, from 0 to 3.
    pub targets: Tensor<1, Int>,
}

impl Batch {
    /// The same batch on another device.
    #[must_use]
    pub fn to_device(&self, device: &Device) -> Self {
        Self {
            inputs: self.inputs.clone().to_device(device),
            targets: self.targets.clone().to_device(device),
        }
    }
}

/// A reference model under a condition, with seven batches of eight examples.
#[derive(Debug)]
pub struct Case<M> {
    condition: Condition,
    model: M,
    device: Device,
    batches: Vec<Batch>,
}

impl<M: Reference> Case<M> {
    /// The model of a seed under a condition, on a device with autodiff.
    ///
    /// # Errors
    /// If the device fails.
    pub fn new(condition: Condition, device: &Device, seed: u64) -> Result<Self> {
        let model = cast(M::seeded(device, seed)?, condition.dtype());
        let model = match condition {
            Condition::Frozen => {
                model.freeze_group(burn::module::ParamGroup::from_path(M::frozen()))
            }
            _ => model,
        };
        Ok(Self {
            condition,
            model,
            device: device.clone(),
            batches: batches(device, condition.dtype(), seed),
        })
    }

    /// A copy of the model, with running statistics of its own.
    #[must_use]
    pub fn model(&self) -> M {
        independent(&self.model)
    }

    /// The model itself, for methods that promise to leave it as it is: the suite compares it before and after.
    #[must_use]
    pub fn original(&self) -> &M {
        &self.model
    }

    /// The condition.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// The type of parameters and inputs.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.condition.dtype()
    }

    /// The device, with autodiff.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// All batches. Methods with a forget set may take the first two of them for it.
    #[must_use]
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// The batches of each optimizer step: one each, or three under [`Condition::Accumulation`], where the last window
    /// holds one.
    pub fn windows(&self) -> impl Iterator<Item = &[Batch]> {
        let length = match self.condition {
            Condition::Accumulation => 3,
            _ => 1,
        };
        self.batches.chunks(length)
    }

    /// Gradients of the mean cross-entropy over one window: summed over micro-batches as Burn's accumulator sums, and
    /// over two forks of the model, each with a half of each batch, under [`Condition::TwoDevices`].
    ///
    /// # Errors
    /// If the device fails.
    pub fn gradients(&self, model: &M, window: &[Batch]) -> Answer<GradientsParams> {
        self.gradients_of(model, window, |model, batch| {
            cross_entropy(model.logits(batch.inputs), batch.targets).mean()
        })
    }

    /// As [`gradients`](Self::gradients), of another loss `[1]`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn gradients_of(
        &self,
        model: &M,
        window: &[Batch],
        mut loss: impl FnMut(&M, Batch) -> Tensor<1>,
    ) -> Answer<GradientsParams> {
        let mut sum = GradientsAccumulator::new();
        for batch in window {
            for part in self.parts(batch) {
                let replica = self.replica(model);
                let grads = loss(&replica, part).backward();
                sum.accumulate(model, GradientsParams::from_grads(grads, &replica));
            }
        }
        Ok(sum.grads())
    }

    /// The batch, or its halves for two devices: the same device twice where there is but one.
    #[must_use]
    pub fn parts(&self, batch: &Batch) -> Vec<Batch> {
        if self.condition != Condition::TwoDevices {
            return vec![batch.clone()];
        }
        let half = |from| Batch {
            inputs: batch.inputs.clone().narrow(0, from, ROWS / 2),
            targets: batch.targets.clone().narrow(0, from, ROWS / 2),
        };
        vec![half(0), half(ROWS / 2)]
    }

    /// The model as a replica sees it: a fork under [`Condition::TwoDevices`], else the model.
    #[must_use]
    pub fn replica(&self, model: &M) -> M {
        match self.condition {
            Condition::TwoDevices => model.clone().fork(&self.device),
            _ => model.clone(),
        }
    }

    /// The gradients of a window with one value that is not a number.
    ///
    /// # Errors
    /// If the device fails.
    pub fn poisoned(&self, model: &M, window: &[Batch]) -> Answer<GradientsParams> {
        self.gradients_of(model, window, |model, batch| {
            let loss = cross_entropy(model.logits(batch.inputs), batch.targets).mean();
            loss * f64::NAN
        })
    }
}

/// Rows of whole numbers; the class is the quarter of the row with the largest sum.
fn batches(device: &Device, dtype: DType, seed: u64) -> Vec<Batch> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xDA7A);
    let batch = |_| {
        let rows: Vec<usize> = (0..ROWS * FEATURES)
            .map(|_| rng.random_range(0..VALUES))
            .collect();
        let classes = rows.chunks(FEATURES).map(|row| {
            let quarters = row
                .chunks(FEATURES / CLASSES)
                .map(|part| part.iter().sum::<usize>());
            let best = quarters
                .enumerate()
                .max_by_key(|(index, sum)| (*sum, CLASSES - index));
            best.map_or(0, |(index, _)| index as i64)
        });
        let targets: Vec<i64> = classes.collect();
        let inputs: Vec<f32> = rows.into_iter().map(|value| value as f32).collect();
        let inputs = TensorData::new(inputs, [ROWS, FEATURES]);
        Batch {
            inputs: Tensor::from_data(inputs, (device, dtype)),
            targets: Tensor::from_data(TensorData::new(targets, [ROWS]), device),
        }
    };
    (0..BATCHES).map(batch).collect()
}
