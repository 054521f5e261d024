//! # Amnesiac
//!
//! Trains on with wrong labels on the forget set and right ones elsewhere.
//!
//! Source: Graves, Nagisetty and Ganesh, "Amnesiac Machine Learning", AAAI 2021; as a baseline of arXiv
//! 2308.07707: 3 epochs on both sets, Adam 1e-4.

use burn::config::Config;
use burn::tensor::{Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::per_example::cross_entropy;

use super::{Method, Order, mean_loss};
use crate::Classifier;
use crate::error::{Result, check};

/// Draws of wrong labels.
#[derive(Config, Debug, PartialEq)]
pub struct AmnesiacConfig {
    /// Number of classes, 2 or more.
    pub classes: usize,
    /// Seed of the labels.
    #[config(default = 0)]
    pub seed: u64,
}

impl AmnesiacConfig {
    /// Checks the number of classes.
    ///
    /// # Errors
    /// If there are fewer than two classes.
    pub fn init(&self) -> Result<Amnesiac> {
        check(
            "classes",
            self.classes as f64,
            self.classes >= 2,
            "2 or more",
        )?;
        let (classes, rng) = (self.classes, ChaCha8Rng::seed_from_u64(self.seed));
        Ok(Amnesiac { classes, rng })
    }
}

/// Amnesiac relabelling. Each visit draws a wrong label anew, uniformly, so that over epochs the target is the even
/// mixture of the other classes. For labels that stay the same, train with [`FineTune`](super::finetune::FineTune) on data
/// that [`relabel`](crate::relabel()) has changed.
#[derive(Clone, Debug)]
pub struct Amnesiac {
    classes: usize,
    rng: ChaCha8Rng,
}

impl Amnesiac {
    /// For labels `[batch]` other ones, without reading them.
    pub fn wrong(&mut self, targets: Tensor<1, Int>) -> Tensor<1, Int> {
        let [batch] = targets.dims();
        let classes = self.classes as i64;
        let shifts: Vec<i64> = (0..batch)
            .map(|_| self.rng.random_range(1..classes))
            .collect();
        let shifts =
            Tensor::<1, Int>::from_data(TensorData::new(shifts, [batch]), &targets.device());
        (targets + shifts).remainder_scalar(classes)
    }
}

impl<M: Classifier> Method<M> for Amnesiac {
    fn order(&self, _epoch: usize) -> Order {
        Order::Mixed
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        let wrong = self.wrong(M::targets(batch));
        cross_entropy(model.logits(batch), wrong).mean()
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_drawn_label_is_wrong_and_every_wrong_one_is_drawn() {
        let mut method = AmnesiacConfig::new(4).init().unwrap();
        let targets = Tensor::<1, Int>::full([200], 3, &Device::flex());
        let wrong: Vec<i64> = method.wrong(targets).try_into_vec_as().unwrap();
        assert!(wrong.iter().all(|label| (0..3).contains(label)));
        assert!((0..3).all(|class| wrong.contains(&class)));
        assert!(AmnesiacConfig::new(1).init().is_err());
    }
}
