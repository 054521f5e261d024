//! How weights are drawn anew.

use burn::tensor::{FloatDType, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use regimen_tensor::ParamEntry;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::error::check;

/// The distribution of a layer's weights when it is made, from a seed of the host: the same on every device.
///
/// The fan-in is the inputs of a linear layer, and the channels times the kernel of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Draw {
    /// Uniform within `gain sqrt(3 / fan-in)` of 0: `sqrt(1 / 3)` is the default of Burn's layers.
    Uniform(f64),
    /// Normal with the deviation `gain / sqrt(fan-in)`: `sqrt(2)` is He's.
    Normal(f64),
}

impl Default for Draw {
    /// As Burn's `LinearConfig` and convolutions draw.
    fn default() -> Self {
        Self::Uniform((1.0_f64 / 3.0).sqrt())
    }
}

impl Draw {
    pub(super) fn check(self) -> Result<()> {
        let (Self::Uniform(gain) | Self::Normal(gain)) = self;
        check("gain", gain, (0.0..=1e3).contains(&gain), "0 to 1,000")
    }

    /// A draw for a parameter of this shape.
    pub(super) fn one(self, shape: &[usize], rng: &mut ChaCha8Rng) -> f32 {
        let fan_in = match shape {
            [inputs, _] => *inputs,
            [_, rest @ ..] => rest.iter().product(),
            [] => 1,
        };
        let scale = 1.0 / (fan_in.max(1) as f64).sqrt();
        let value = match self {
            Self::Uniform(gain) => {
                let bound = gain * 3.0_f64.sqrt() * scale;
                bound * rng.random_range(-1.0..=1.0)
            }
            Self::Normal(gain) => gain * scale * rng.sample::<f64, _>(StandardNormal),
        };
        value as f32
    }

    /// What a new layer has in place of this parameter, flat, in f32: weights are drawn, gains of norms are 1, biases and shifts 0.
    pub(super) fn fresh(self, entry: &ParamEntry, rng: &mut ChaCha8Rng) -> Tensor<1> {
        let gain = entry.path.ends_with("gamma") || entry.path.ends_with("running_var");
        let values: Vec<f32> = match entry.shape.len() {
            0 | 1 => vec![if gain { 1.0 } else { 0.0 }; entry.len()],
            _ => (0..entry.len())
                .map(|_| self.one(&entry.shape, rng))
                .collect(),
        };
        tensor(values, entry)
    }
}

/// On the device of a parameter, in f32.
pub(super) fn tensor(values: Vec<f32>, like: &ParamEntry) -> Tensor<1> {
    let count = values.len();
    let options = (&like.values.device(), FloatDType::F32.into());
    Tensor::from_data(TensorData::new(values, [count]), options)
}
