//! # Unsir
//!
//! Impairs a class by noise that maximises its loss, then repairs the model on retained samples.
//!
//! Source: Tarun, Chundawat, Mandal and Kankanhalli, "Fast Yet Effective Machine Unlearning", TNNLS 2023,
//! arXiv 2111.08947; as a baseline of arXiv 2308.07707: 80 copies of a batch of 32 noise images, 500 retained samples a
//! class, one epoch to impair and one to repair, Adam 1e-4.

use burn::config::Config;
use burn::tensor::{Int, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use regimen_tensor::per_example::cross_entropy;

use super::{Method, Order, mean_loss};
use crate::Classifier;
use crate::error::{Result, check};

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
    let norm = noise.square().sum_dim(1).mean();
    norm * penalty - cross_entropy(logits, targets).mean()
}

impl NoiseConfig {
    /// Learns noise `[images, features]` that maximises the loss of `class`: `like` gives shape and (autodiff) device,
    /// `logits` the model's logits of flattened inputs.
    ///
    /// # Errors
    /// If a value is out of range.
    pub fn learn(
        &self,
        like: &Tensor<2>,
        class: usize,
        mut logits: impl FnMut(Tensor<2>) -> Tensor<2>,
    ) -> Result<Tensor<2>> {
        check("steps", self.steps as f64, self.steps > 0, "1 or more")?;
        check("rate", self.rate, self.rate > 0.0, "above 0")?;
        check("penalty", self.penalty, self.penalty >= 0.0, "0 or more")?;
        let [images, features] = like.dims();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let start: Vec<f32> = (0..images * features)
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        let start = TensorData::new(start, [images, features]);
        let mut noise = Tensor::<2>::from_data(start, &like.device()).inner();
        let (mut first, mut second) = (noise.zeros_like(), noise.zeros_like());
        for step in 1..=self.steps {
            let leaf = Tensor::from_inner(noise.clone()).require_grad();
            let loss = noise_loss(leaf.clone(), logits(leaf.clone()), class, self.penalty);
            let Some(grad) = leaf.grad(&loss.backward()) else {
                break;
            };
            first = first * 0.9 + grad.clone() * 0.1;
            second = second * 0.999 + grad.square() * 0.001;
            let corrected = first.clone() / (1.0 - 0.9_f64.powi(step as i32));
            let scale = (second.clone() / (1.0 - 0.999_f64.powi(step as i32))).sqrt() + 1e-8;
            noise = noise - corrected / scale * self.rate;
        }
        Ok(Tensor::from_inner(noise))
    }
}

/// Impair and repair. The forget loader holds the noise with the forgotten class's label, the retain loader retained
/// samples; run two epochs: the first is mixed, the others walk the retain set only.
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
