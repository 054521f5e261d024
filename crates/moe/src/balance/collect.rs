//! # Losses of all layers
//!
//! The auxiliary losses of every mixture of a model in one call: each layer's record is collected as the model runs.
//!
//! Source: the sum over layers as in Fedus et al., "Switch Transformers" (arXiv 2101.03961), section 2.2.

use burn::config::Config;
use burn::tensor::Tensor;

use super::{
    GlobalBalance, Load, importance_loss, load_balancing_loss, noisy_load_loss,
    sequence_balancing_loss, z_loss,
};
use crate::error::{MoeError, not_negative};
use crate::{Moe, Result, Routing, Tokens};

/// Coefficients of the auxiliary losses, each a finite number from 0; a loss with 0 takes no part.
///
/// | field | default | loss |
/// |---|---|---|
/// | `balance` | 1e-2 | [`load_balancing_loss`], or the global one of [`LossCollector::total_with`] |
/// | `sequence` | 0 | [`sequence_balancing_loss`] |
/// | `z` | 0 | [`z_loss`]; 1e-3 is usual |
/// | `importance` | 0 | [`importance_loss`]; 1e-2 is usual with a noisy router |
/// | `load` | 0 | [`noisy_load_loss`]; 1e-2 is usual with a noisy router, other routers have none |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct LossWeights {
    /// Of the load-balancing loss.
    #[config(default = 1e-2)]
    pub balance: f64,
    /// Of the balance loss of each sequence.
    #[config(default = 0.0)]
    pub sequence: f64,
    /// Of the router z-loss.
    #[config(default = 0.0)]
    pub z: f64,
    /// Of the importance loss.
    #[config(default = 0.0)]
    pub importance: f64,
    /// Of the load loss of noisy routers.
    #[config(default = 0.0)]
    pub load: f64,
}

impl LossWeights {
    fn check(&self) -> Result<()> {
        not_negative("balance", self.balance)?;
        not_negative("sequence", self.sequence)?;
        not_negative("z", self.z)?;
        not_negative("importance", self.importance)?;
        not_negative("load", self.load)
    }
}

/// Collects the records of a model's mixtures during one pass.
///
/// ```
/// # use burn::tensor::{Device, Distribution, Tensor};
/// use regimen_moe::balance::{LossCollector, LossWeights};
/// use regimen_moe::{MoeConfig, Tokens};
///
/// let device = Device::default().autodiff();
/// let layer = || MoeConfig::new(8, 16, 4, 2).init(&device);
/// let layers = [layer()?, layer()?];
///
/// let mut collector = LossCollector::new();
/// let mut x = Tensor::<3>::random([2, 5, 8], Distribution::Default, &device);
/// for moe in &layers {
///     x = x.clone() + collector.forward(moe, x, Tokens::default())?;
/// }
/// let loss = x.square().mean() + collector.total(&LossWeights::new().with_z(1e-3))?;
/// # let _ = loss.backward();
/// assert_eq!(collector.layers(), 2);
/// # Ok::<(), regimen_moe::MoeError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct LossCollector {
    routings: Vec<Routing>,
}

impl LossCollector {
    /// No layer yet: one collector serves one pass.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a mixture ([`Moe::forward_with`]) and collects its record; gives its output.
    ///
    /// # Errors
    /// If a shape does not fit; nothing is collected then.
    pub fn forward(&mut self, moe: &Moe, x: Tensor<3>, tokens: Tokens) -> Result<Tensor<3>> {
        let (y, routing) = moe.forward_with(x, tokens)?;
        self.add(routing);
        Ok(y)
    }

    /// Collects the record of a layer.
    pub fn add(&mut self, routing: Routing) {
        self.routings.push(routing);
    }

    /// The records in the order of the layers.
    #[must_use]
    pub fn routings(&self) -> &[Routing] {
        &self.routings
    }

    /// The number of layers so far.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.routings.len()
    }

    /// The sum over layers of the weighted losses, `[1]` on the first layer's device; add it to the loss of the task. Padding counts in none
    /// of them.
    ///
    /// Where a source averages over layers, its coefficients divided by [`Self::layers`] are those here.
    ///
    /// # Errors
    /// If there is no layer, or a coefficient is not a finite number from 0.
    pub fn total(&self, weights: &LossWeights) -> Result<Tensor<1>> {
        self.sum(weights, |_, routing| {
            Ok(load_balancing_loss(&Load::of(routing)))
        })
    }

    /// The same with the balance counted over participants and micro-batches, by one object a layer.
    ///
    /// # Errors
    /// As [`Self::total`], if there is not one object a layer, and as [`GlobalBalance::loss`].
    pub fn total_with(
        &self,
        weights: &LossWeights,
        balances: &[GlobalBalance],
    ) -> Result<Tensor<1>> {
        if balances.len() != self.layers() {
            let expected = format!("[{}], one a layer", self.layers());
            return Err(MoeError::shape("balances", &[balances.len()], expected));
        }
        self.sum(weights, |layer, routing| {
            balances[layer].loss(&Load::of(routing))
        })
    }

    fn sum(
        &self,
        weights: &LossWeights,
        balance: impl Fn(usize, &Routing) -> Result<Tensor<1>>,
    ) -> Result<Tensor<1>> {
        weights.check()?;
        let Some(first) = self.routings.first() else {
            return Err(MoeError::range("layers", 0, "at least 1"));
        };
        let device = first.counts.device();
        let mut total = first.counts.clone().sum().zeros_like();
        for (layer, routing) in self.routings.iter().enumerate() {
            let mut add = |loss: Tensor<1>, weight: f64| {
                total = total.clone() + loss.to_device(&device) * weight;
            };
            // Counted whatever the coefficient is: the counts steer more than the loss, and all participants make the same calls.
            let loss = balance(layer, routing)?;
            if weights.balance > 0.0 {
                add(loss, weights.balance);
            }
            if weights.sequence > 0.0 {
                add(sequence_balancing_loss(routing), weights.sequence);
            }
            if weights.z > 0.0 {
                add(z_loss(routing), weights.z);
            }
            if weights.importance > 0.0 {
                add(importance_loss(routing), weights.importance);
            }
            if let Some(load) = noisy_load_loss(routing).filter(|_| weights.load > 0.0) {
                add(load, weights.load);
            }
        }
        Ok(total)
    }
}
