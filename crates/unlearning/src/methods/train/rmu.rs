//! # Rmu
//!
//! Steers a hidden layer's activations to a random direction on the forget set, and holds them elsewhere.
//!
//! Source: Li et al., "The WMDP Benchmark", ICML 2024, arXiv 2403.03218, section 4 and released code.
//! Freeze what is not to move by the optimizer's parameter groups: the paper updates three layers.

use std::fmt;

use burn::config::Config;
use burn::tensor::{Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Method, Order};
use crate::Classifier;
use crate::error::{Result, check};
use crate::gradients::{reference as frozen, widen};

/// How far and where RMU steers.
#[derive(Config, Debug, PartialEq)]
pub struct RmuConfig {
    /// Length of the target activation, above 0; the paper takes 2 to 20 by model.
    #[config(default = 6.5)]
    pub c: f64,
    /// Weight of the retain set's loss, 0 or more; by model.
    #[config(default = 1200.0)]
    pub alpha: f64,
    /// Seed of the direction.
    #[config(default = 0)]
    pub seed: u64,
}

type Activations<M, B> = Box<dyn Fn(&M, &B) -> Tensor<2> + Send>;

impl RmuConfig {
    /// Takes `activations`, the hidden layer `[rows, width]` of a batch, and the model that is to forget.
    ///
    /// # Errors
    /// If `c` is not above 0, or `alpha` is negative.
    pub fn init<M: Classifier>(
        &self,
        reference: &M,
        activations: impl Fn(&M, &M::Batch) -> Tensor<2> + Send + 'static,
    ) -> Result<Rmu<M>> {
        check("c", self.c, self.c > 0.0, "above 0")?;
        check("alpha", self.alpha, self.alpha >= 0.0, "0 or more")?;
        Ok(Rmu {
            config: self.clone(),
            reference: frozen(reference),
            activations: Box::new(activations),
        })
    }
}

/// `c u`: a direction uniform in `[0, 1)` per coordinate, of length `c`.
#[must_use]
pub fn target(width: usize, c: f64, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let u: Vec<f64> = (0..width).map(|_| rng.random::<f64>()).collect();
    let norm = u
        .iter()
        .map(|x| x * x)
        .sum::<f64>()
        .sqrt()
        .max(f64::MIN_POSITIVE);
    u.iter().map(|x| (c * x / norm) as f32).collect()
}

/// RMU; it ends with its epochs. What it changes are activations: whether answers change depends on the layers after.
pub struct Rmu<M: Classifier> {
    config: RmuConfig,
    reference: M,
    activations: Activations<M, M::Batch>,
}

impl<M: Classifier> fmt::Debug for Rmu<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}

/// The mean of `(h - target)^2` over rows and coordinates, `[1]`, in f32 at least; the target carries no gradient.
#[must_use]
pub fn loss(h: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let h = widen(h);
    let target = target.detach().cast(h.dtype());
    (h - target).square().mean()
}

impl<M: Classifier> Method<M> for Rmu<M> {
    fn order(&self, _epoch: usize) -> Order {
        Order::PairsByForget
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        let h = (self.activations)(model, batch);
        let [rows, width] = h.dims();
        let target = TensorData::new(target(width, self.config.c, self.config.seed), [1, width]);
        let h = widen(h);
        let target = Tensor::<2>::from_data(target, (&h.device(), h.dtype())).expand([rows, width]);
        loss(h, target)
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        let reference = (self.activations)(&self.reference, batch);
        loss((self.activations)(model, batch), reference) * self.config.alpha
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn rmu_mean_square() {
        let row = |values: [f32; 3]| Tensor::<2>::from_data([values], &Device::flex());
        let loss = loss(row([1.0, 2.0, 0.0]), row([1.2, 1.6, 0.0]));
        assert!((loss.into_scalar::<f32>() - 0.066_666_67).abs() < 1e-6);
    }

    #[test]
    fn the_target_has_its_length_and_no_negative_coordinate() {
        let target = target(50, 6.5, 1);
        let norm = target.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((norm - 6.5).abs() < 1e-4 && target.iter().all(|x| *x >= 0.0));
    }
}
