//! # BiasUpdate
//!
//! Balances the load without a loss: after each optimizer step, experts with too many tokens get a lower bias, those with too
//! few a higher one.
//!
//! Source: Wang et al., "Auxiliary-Loss-Free Load Balancing Strategy for Mixture-of-Experts" (arXiv 2408.15664), algorithm 1.

use burn::config::Config;
use burn::module::Param;
use burn::tensor::{DType, Tensor, TensorData};

use crate::Moe;
use crate::Result;
use crate::error::{MoeError, not_negative};
use crate::routers::{Router, single};

/// Configuration of the update.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct BiasUpdateConfig {
    /// What a bias changes by in one step. DeepSeek-V3 ends with 0.
    #[config(default = 1e-3)]
    pub rate: f64,
}

/// `b_i += rate * sign(mean(n) - n_i)` for the loads `n` of the whole batch, then `b_i -= mean(b)`, once an optimizer step.
///
/// The paper's update alone moves the mean wherever more experts are below the mean load than above it, step by step: the choice does not
/// see it, but the precision is lost. Biases that are centred choose the same experts. They are float32 whatever the model's type is: steps
/// of 1e-3 would be rounded away in half precision.
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
    /// What the biases change by, before they are centred.
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

    /// A mixture after the update of its router's bias by the loads of the whole batch.
    ///
    /// # Errors
    /// If the router has no such bias (a sigmoid router has one, a softmax router with `selection_bias`), or there is not one finite
    /// load an expert.
    pub fn step(&self, mut moe: Moe, loads: &[f64]) -> Result<Moe> {
        moe.router = self.step_router(moe.router, loads)?;
        Ok(moe)
    }

    /// The same for a router by itself.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn step_router(&self, mut router: Router, loads: &[f64]) -> Result<Router> {
        let bias = match &mut router {
            Router::Sigmoid(router) => Some(&mut router.bias),
            Router::Softmax(router) => router.bias.as_mut(),
            _ => None,
        };
        let Some(bias) = bias else {
            let allowed = "a sigmoid router, or a softmax router with a selection bias";
            return Err(MoeError::range("router", "without a bias", allowed));
        };
        *bias = self.moved(bias.clone(), loads)?;
        Ok(router)
    }

    fn moved(&self, bias: Param<Tensor<1>>, loads: &[f64]) -> Result<Param<Tensor<1>>> {
        let [experts] = bias.val().dims();
        if loads.len() != experts {
            return Err(MoeError::shape(
                "loads",
                &[loads.len()],
                format!("[{experts}]"),
            ));
        }
        let changes: Vec<f32> = self.changes(loads)?.into_iter().map(|c| c as f32).collect();
        let bias = bias.map(|bias| {
            let device = bias.device();
            let changes = TensorData::new(changes.clone(), [experts]);
            let moved = single(bias) + Tensor::from_data(changes, (&device, DType::F32));
            (moved.clone() - moved.mean()).detach()
        });
        Ok(bias.set_require_grad(false))
    }
}
