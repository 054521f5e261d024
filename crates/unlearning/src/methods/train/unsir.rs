//! # Unsir
//!
//! Impairs a class by noise that maximises its loss, then repairs the model on retained samples.
//!
//! Source: Tarun, Chundawat, Mandal and Kankanhalli, "Fast Yet Effective Machine Unlearning", TNNLS 2023,
//! arXiv 2111.08947; as a baseline of arXiv 2308.07707: 80 copies of a batch of 32 noise images, 500 retained samples a
//! class, one epoch to impair and one to repair, Adam 1e-4.

use burn::config::Config;
use burn::module::Param;
use burn::optim::AdamConfig;
use burn::tensor::{DType, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use regimen_tensor::Watch;
use regimen_tensor::per_example::cross_entropy;

use super::{Method, Order};
use crate::Classifier;
use crate::classifier::mean_loss;
use crate::error::{Result, UnlearningError, check, count};
use crate::gradients::{finite_step, gradients, widen};

/// How the noise is learned.
#[derive(Config, Debug, PartialEq)]
pub struct NoiseConfig {
    /// Adam steps, 1 or more.
    #[config(default = 25)]
    pub steps: usize,
    /// Adam's rate, above 0.
    #[config(default = 0.1)]
    pub rate: f64,
    /// Weight of the mean squared norm of the noise, 0 or more.
    #[config(default = 0.1)]
    pub penalty: f64,
    /// Seed of the first noise, standard normal.
    #[config(default = 0)]
    pub seed: u64,
}

/// `-CE(f(n), class) + penalty mean ||n||^2`, `[1]`: noise `[images, features]`, its logits `[images, classes]`.
#[must_use]
pub fn noise_loss(noise: Tensor<2>, logits: Tensor<2>, class: usize, penalty: f64) -> Tensor<1> {
    let targets = Tensor::<1, Int>::full([logits.dims()[0]], class as i64, &logits.device());
    let logits = widen(logits);
    let norm = noise.cast(logits.dtype()).square().sum_dim(1).mean();
    norm * penalty - cross_entropy(logits, targets).mean()
}

impl NoiseConfig {
    /// Learns noise `[images, features]` that maximises the loss of `class`: `like` gives shape, type and (autodiff) device,
    /// `logits` the model's logits of flattened inputs. A model with batch normalisation or dropout is to be given frozen
    /// (`regimen_tensor::independent(&model).freeze()`), or its running statistics move with the noise.
    ///
    /// # Errors
    /// If a value is out of range, `like` is not on an autodiff device, the logits do not depend on the noise (token ids
    /// pass no gradient), or a loss or gradient is not finite.
    pub fn learn(
        &self,
        like: &Tensor<2>,
        class: usize,
        logits: impl FnMut(Tensor<2>) -> Tensor<2>,
    ) -> Result<Tensor<2>> {
        self.learn_watched(like, class, logits, &Watch::default())
    }

    /// [`learn`](Self::learn), watched: `"noise"` reports Adam steps. Where it is stopped, the noise as it is.
    ///
    /// # Errors
    /// As [`learn`](Self::learn).
    pub fn learn_watched(
        &self,
        like: &Tensor<2>,
        class: usize,
        mut logits: impl FnMut(Tensor<2>) -> Tensor<2>,
        watch: &Watch,
    ) -> Result<Tensor<2>> {
        count("steps", self.steps, self.steps > 0, "1 or more")?;
        check("rate", self.rate, self.rate > 0.0, "above 0")?;
        check("penalty", self.penalty, self.penalty >= 0.0, "0 or more")?;
        let [images, features] = like.dims();
        let _span = tracing::info_span!("noise", images, features, steps = self.steps).entered();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let start: Vec<f32> = (0..images * features)
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        let start = TensorData::new(start, [images, features]);
        // In f32: an optimizer's epsilon is 0 in half precision.
        let start = Tensor::<2>::from_data(start, (&like.device(), DType::F32));
        let mut noise = Param::from_tensor(start);
        let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
        for step in 1..=self.steps {
            let outputs = logits(noise.val().cast(like.dtype()));
            if !outputs.is_tracked() {
                return Err(UnlearningError::NoGradient);
            }
            let loss = noise_loss(noise.val(), outputs, class, self.penalty);
            let grads = gradients(&loss, &noise)?;
            if !finite_step(&loss, &noise, &grads) {
                return Err(UnlearningError::Diverged("noise"));
            }
            noise = adam.step(self.rate, noise, grads);
            if !watch.goes_on("noise", step, self.steps) {
                break;
            }
        }
        // `detach` would leave it a parameter, of which every batch would have a gradient.
        let noise = noise.val().set_require_grad(false);
        Ok(noise.cast(like.dtype()))
    }
}

/// Impair and repair. The forget loader holds the noise with the forgotten class's label, the retain loader retained
/// samples of every other class; run two epochs: the first is mixed, the others walk the retain set only. Between
/// the two the released code begins with a fresh optimizer.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Tensor}};
/// use regimen_unlearning::methods::train::unsir::NoiseConfig;
///
/// let device = Device::flex().autodiff();
/// let model = LinearConfig::new(4, 3).init(&device); // your trained model
/// let noise = NoiseConfig::new().learn(&Tensor::zeros([8, 4], &device), 2, |x| model.forward(x))?;
/// assert_eq!(noise.dims(), [8, 4]); // eight inputs that the model takes for anything but class 2
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsir;

impl<M: Classifier> Method<M> for Unsir {
    fn order(&self, epoch: usize) -> Order {
        if epoch == 0 {
            Order::Mixed
        } else {
            Order::Retain
        }
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch)
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn learned_noise_is_data_without_a_gradient() {
        let device = Device::flex().autodiff();
        let model = LinearConfig::new(4, 3).init(&device);
        let like = Tensor::<2>::zeros([2, 4], &device);
        let noise = NoiseConfig::new().learn(&like, 2, |x| model.forward(x));
        let noise = noise.unwrap();
        assert!(noise.is_autodiff() && !noise.is_tracked());
    }
}
