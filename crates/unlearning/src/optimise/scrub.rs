//! # Scrub
//!
//! A student that leaves its teacher on the forget set and stays with it elsewhere, in turns.
//!
//! Source: Kurmanji, Triantafillou, Hayes and Triantafillou, "Towards Unbounded Machine Unlearning",
//! NeurIPS 2023, arXiv 2302.09880, section 3; temperature as in the released code.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

use super::{Method, Order, mean_loss};
use crate::Classifier;
use crate::divergence::distillation;
use crate::error::{Result, check};

/// Weights of SCRUB. Released runs: 3 to 10 epochs, rate 5e-4, batches of 32 to forget and 128 to retain.
#[derive(Config, Debug, PartialEq)]
pub struct ScrubConfig {
    /// Weight of the retain set's cross-entropy, 0 or more.
    #[config(default = 0.99)]
    pub gamma: f64,
    /// Weight of the retain set's divergence, 0 or more.
    #[config(default = 0.001)]
    pub alpha: f64,
    /// Temperature, above 0.
    #[config(default = 4.0)]
    pub temperature: f64,
    /// Epochs that begin with a pass of max steps over the forget set.
    #[config(default = 2)]
    pub max_epochs: usize,
}

impl ScrubConfig {
    /// Takes the model that is to forget as the teacher.
    ///
    /// # Errors
    /// If a weight is negative, the temperature is not above 0, or one is not finite.
    pub fn init<M: Module>(&self, teacher: &M) -> Result<Scrub<M>> {
        let t = self.temperature;
        check("gamma", self.gamma, self.gamma >= 0.0, "0 or more")?;
        check("alpha", self.alpha, self.alpha >= 0.0, "0 or more")?;
        check("temperature", t, t > 0.0, "above 0")?;
        let (config, teacher) = (self.clone(), teacher.clone().no_grad());
        Ok(Scrub { config, teacher })
    }
}

/// SCRUB: maximises `T^2 KL(teacher || student)` on forget batches, minimises
/// `gamma CE + alpha T^2 KL` on retain batches. Only the student is optimised.
#[derive(Clone, Debug)]
pub struct Scrub<M> {
    config: ScrubConfig,
    teacher: M,
}

impl<M: Classifier> Scrub<M> {
    /// The teacher: the original, unchanged.
    #[must_use]
    pub fn teacher(&self) -> &M {
        &self.teacher
    }

    fn divergence(&self, model: &M, batch: &M::Batch) -> Tensor<1> {
        let teacher = self.teacher.logits(batch);
        distillation(model.logits(batch), teacher, self.config.temperature)
    }
}

impl<M: Classifier> Method<M> for Scrub<M> {
    fn order(&self, epoch: usize) -> Order {
        if epoch < self.config.max_epochs {
            Order::ForgetThenRetain
        } else {
            Order::Retain
        }
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        -self.divergence(model, batch)
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch) * self.config.gamma
            + self.divergence(model, batch) * self.config.alpha
    }
}
