//! A head whose logits are cosines.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, FloatDType, Tensor};

use crate::Result;
use crate::classifier::Encoder;
use crate::error::{check, positive};

/// Numbers at most.
const MOST: usize = 1 << 28;

/// A linear layer of directions: `z_k = sigma cos(w_k, x)`, without bias.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `d_input` | | width of the features |
/// | `d_output` | | classes |
/// | `sigma` | 1 | scale of the cosines at the start; it is learned |
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_continual::CosineLinearConfig;
///
/// let device = Device::flex();
/// let head = CosineLinearConfig::new(3, 2).init(&device)?;
/// let features = Tensor::<2>::from_data([[1.0, 2.0, 3.0]], &device);
/// let near = head.cosines(features.clone()).sub(head.cosines(features * 5.0));
/// assert!(near.abs().max().into_scalar::<f32>() < 1e-6);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct CosineLinearConfig {
    /// Width of the features.
    pub d_input: usize,
    /// Classes.
    pub d_output: usize,
    /// Scale of the cosines at the start.
    #[config(default = 1.0)]
    pub sigma: f64,
}

/// A head whose logits are scaled cosines. See [`CosineLinearConfig`].
#[derive(Module, Debug)]
pub struct CosineLinear {
    /// Directions of the classes, `[d_input, d_output]`.
    pub weight: Param<Tensor<2>>,
    /// The scale, `[1]`.
    pub sigma: Param<Tensor<1>>,
}

impl CosineLinearConfig {
    /// Draws the directions from the device's generator, uniformly within `d_input^(-1/2)`.
    ///
    /// # Errors
    /// If a size is 0, there are more than 2^28 numbers (1 GiB in f32), or `sigma` is not finite in f32.
    pub fn init(&self, device: &Device) -> Result<CosineLinear> {
        positive("d_input", self.d_input)?;
        positive("d_output", self.d_output)?;
        let fits = self.d_input.saturating_mul(self.d_output) <= MOST;
        let allowed = "268 million with `d_input`";
        check("d_output", self.d_output as f64, fits, allowed)?;
        let finite = (self.sigma as f32).is_finite();
        check("sigma", self.sigma, finite, "finite in f32")?;
        let most = 1.0 / (self.d_input as f64).sqrt();
        let uniform = Initializer::Uniform {
            min: -most,
            max: most,
        };
        let sigma = Initializer::Constant { value: self.sigma };
        Ok(CosineLinear {
            weight: uniform.init([self.d_input, self.d_output], device),
            sigma: sigma.init([1], device),
        })
    }
}

impl CosineLinear {
    /// Features `[batch, d_input]` to logits `[batch, d_output]`.
    #[must_use]
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        let sigma = self.sigma.val().reshape([1, 1]);
        let dtype = features.dtype();
        self.cosines(features).cast(dtype) * sigma.cast(dtype)
    }

    /// Features `[batch, d_input]` to cosines `[batch, d_output]`, in f32; 0 where a feature vector is 0.
    #[must_use]
    pub fn cosines(&self, features: Tensor<2>) -> Tensor<2> {
        let features = unit(features.cast(FloatDType::F32), 1);
        let weight = unit(self.weight.val().cast(FloatDType::F32), 0);
        features.matmul(weight)
    }
}

/// Vectors along an axis at length 1; zeros stay zeros, with a derivative that is finite.
pub(crate) fn unit(vectors: Tensor<2>, axis: usize) -> Tensor<2> {
    let squares = vectors.clone().square().sum_dim(axis);
    vectors / squares.clamp_min(1e-24).sqrt()
}

/// A classifier whose logits are those of a [`CosineLinear`] over its features: `head().forward(features(batch))`.
pub trait CosineClassifier: Encoder {
    /// The head.
    fn head(&self) -> &CosineLinear;
}
