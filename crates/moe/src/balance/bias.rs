//! # BiasUpdate
//!
//! Balances the load without a loss: after each optimizer step, experts with too many tokens get a lower bias, those with too
//! few a higher one.
//!
//! Source: Wang et al., "Auxiliary-Loss-Free Load Balancing Strategy for Mixture-of-Experts" (arXiv 2408.15664), algorithm 1.

use burn::config::Config;
use burn::tensor::Tensor;

use crate::Result;
use crate::error::{MoeError, not_negative};
use crate::moe::Moe;
use crate::routers::{Router, SigmoidRouter};

/// Configuration of the update.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct BiasUpdateConfig {
    /// What a bias changes by in one step. DeepSeek-V3 ends with 0.
    #[config(default = 1e-3)]
    pub rate: f64,
}

/// `b_i += rate * sign(mean(n) - n_i)` for the loads `n` of the whole batch, once an optimizer step.
///
/// ```
/// # use burn::tensor::Device;
/// use regimen_moe::{MoeConfig, RouterConfig, SigmoidRouterConfig, balance::BiasUpdateConfig};
///
/// let device = Device::default().autodiff();
/// let router = RouterConfig::Sigmoid(SigmoidRouterConfig::new());
/// let moe = MoeConfig::new(8, 16, 4, 2).with_router(router).init(&device)?;
/// let update = BiasUpdateConfig::new().init()?;
/// let moe = update.step(moe, &[10.0, 2.0, 2.0, 2.0])?; // counts over all participants
/// # Ok::<(), regimen_moe::MoeError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BiasUpdate {
    rate: f64,
}

impl BiasUpdateConfig {
    /// The update.
    ///
    /// # Errors
    /// If the rate is not a finite number from 0.
    pub fn init(&self) -> Result<BiasUpdate> {
        not_negative("rate", self.rate)?;
        Ok(BiasUpdate { rate: self.rate })
    }
}

impl BiasUpdate {
    /// What the biases change by.
    ///
    /// # Errors
    /// If a load is not finite.
    pub fn changes(&self, loads: &[f64]) -> Result<Vec<f64>> {
        if let Some(bad) = loads.iter().find(|load| !load.is_finite()) {
            return Err(MoeError::range("loads", bad, "finite numbers"));
        }
        let mean = loads.iter().sum::<f64>() / loads.len().max(1) as f64;
        let change = |load: &f64| match load.total_cmp(&mean) {
            std::cmp::Ordering::Less => self.rate,
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Greater => -self.rate,
        };
        Ok(loads.iter().map(change).collect())
    }

    /// A mixture with a sigmoid router after the update by the loads of the whole batch.
    ///
    /// # Errors
    /// If the router is another, or there is not one finite load an expert.
    pub fn step(&self, mut moe: Moe, loads: &[f64]) -> Result<Moe> {
        let Router::Sigmoid(router) = moe.router else {
            return Err(MoeError::range(
                "router",
                "without a bias",
                "a sigmoid router",
            ));
        };
        moe.router = Router::Sigmoid(self.step_router(router, loads)?);
        Ok(moe)
    }

    /// The same for a router by itself.
    ///
    /// # Errors
    /// If there is not one finite load an expert.
    pub fn step_router(&self, mut router: SigmoidRouter, loads: &[f64]) -> Result<SigmoidRouter> {
        let [experts] = router.bias.val().dims();
        if loads.len() != experts {
            return Err(MoeError::shape(
                "loads",
                &[loads.len()],
                format!("[{experts}]"),
            ));
        }
        let changes: Vec<f32> = self.changes(loads)?.into_iter().map(|c| c as f32).collect();
        router.bias = router.bias.map(|bias| {
            let changes = Tensor::<1>::from_floats(changes.as_slice(), &bias.device());
            (bias + changes).detach()
        });
        router.bias = router.bias.set_require_grad(false);
        Ok(router)
    }
}
