//! # WeightNormLinear
//!
//! A head whose classes have rows of length 1: none is favoured for being trained more often.
//!
//! Source: Lesort et al., "Challenging Common Assumptions about Catastrophic Forgetting" (arXiv 2207.04543), the weight-normalised head of
//! its code.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, FloatDType, Tensor};

use super::lucir::unit;
use crate::Result;
use crate::error::{check, positive};

/// Numbers at most.
const MOST: usize = 1 << 28;

/// A linear layer of directions: `z_k = (w_k / ||w_k||) . x`, without bias.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `d_input` | | width of the features |
/// | `d_output` | | classes |
///
/// Differs from [`CosineLinear`](super::CosineLinear) in that features keep their length, which takes the place of the scale.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_continual::WeightNormLinearConfig;
///
/// let device = Device::flex();
/// let mut head = WeightNormLinearConfig::new(2, 2).init(&device)?;
/// head.weight = head.weight.map(|_| Tensor::from_data([[3.0, 0.0], [4.0, 2.0]], &device));
/// let logits = head.forward(Tensor::<2>::from_data([[1.0, 1.0]], &device));
/// let logits: Vec<f32> = logits.try_into_vec_as()?;
/// assert!((logits[0] - 1.4).abs() < 1e-6 && (logits[1] - 1.0).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Config, Debug)]
pub struct WeightNormLinearConfig {
    /// Width of the features.
    pub d_input: usize,
    /// Classes.
    pub d_output: usize,
}

/// A head whose classes have directions. See [`WeightNormLinearConfig`].
#[derive(Module, Debug)]
pub struct WeightNormLinear {
    /// Directions of the classes, `[d_input, d_output]`.
    pub weight: Param<Tensor<2>>,
}

impl WeightNormLinearConfig {
    /// Draws the directions from the device's generator, uniformly within `d_input^(-1/2)`.
    ///
    /// # Errors
    /// If a size is 0, or there are more than 2^28 numbers (1 GiB in f32).
    pub fn init(&self, device: &Device) -> Result<WeightNormLinear> {
        positive("d_input", self.d_input)?;
        positive("d_output", self.d_output)?;
        let fits = self.d_input.saturating_mul(self.d_output) <= MOST;
        let allowed = "268 million with `d_input`";
        check("d_output", self.d_output as f64, fits, allowed)?;
        let most = 1.0 / (self.d_input as f64).sqrt();
        let uniform = Initializer::Uniform {
            min: -most,
            max: most,
        };
        let weight = uniform.init([self.d_input, self.d_output], device);
        Ok(WeightNormLinear { weight })
    }
}

impl WeightNormLinear {
    /// Features `[batch, d_input]` to logits `[batch, d_output]`.
    #[must_use]
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.val();
        let unit = unit(weight.cast(FloatDType::F32), 0).cast(features.dtype());
        features.matmul(unit)
    }
}
