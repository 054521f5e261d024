//! # OnlineEwc
//!
//! Elastic weight consolidation with one Fisher diagonal, which fades, and one anchor: the newest weights.
//!
//! Source: Schwarz et al., "Progress & Compress" (arXiv 1805.06370), section 4; the weighted square as in Mammoth's `ewc_on`.

use std::fmt;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::Tensor;
use regimen_tensor::{ParamVector, Watch};

use super::anchored::{Anchored, anchored};
use crate::Result;
use crate::classifier::Classifier;
use crate::error::{positive, share, strength};
use crate::examples::Examples;
use crate::penalties::{Fisher, Quadratic, fisher};
use crate::strategy::{Shared, Steps, Strategy};

/// `penalty = lambda / 2 * sum_i F_i (theta_i - theta*_i)^2`; after a task `F <- gamma F + F_new`, `theta* <- theta`.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `lambda` | | strength, 0 or more |
/// | `gamma` | 1 | what stays of the Fisher diagonal at each task, 0 to 1 |
/// | `fisher` | [`Fisher::Sampled`] | which Fisher diagonal |
/// | `examples` | 1024 | examples of a task of which it is taken, at most |
/// | `seed` | 0 | of sampled labels |
///
/// Differs from Mammoth, which has no half and [`Fisher::Weighted`]: its `e_lambda` is half of this `lambda`.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_continual::OnlineEwcConfig;
///
/// # let model = LinearConfig::new(2, 2).init(&Device::flex().autodiff());
/// let ewc = OnlineEwcConfig::new(100.0).with_gamma(0.9).init(&model)?;
/// assert_eq!(ewc.tasks(), 0);
/// assert!(OnlineEwcConfig::new(100.0).with_gamma(1.1).init(&model).is_err());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct OnlineEwcConfig {
    /// Strength, 0 or more.
    pub lambda: f64,
    /// What stays of the Fisher diagonal at each task, 0 to 1.
    #[config(default = 1.0)]
    pub gamma: f64,
    /// Which Fisher diagonal.
    #[config(default = "Fisher::Sampled")]
    pub fisher: Fisher,
    /// Examples of a task of which the Fisher diagonal is taken, at most; one backward pass each.
    #[config(default = 1024)]
    pub examples: usize,
    /// Seed of sampled labels.
    #[config(default = 0)]
    pub seed: u64,
}

impl OnlineEwcConfig {
    /// For a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If a value is outside of what the table allows.
    pub fn init<M: Module>(&self, model: &M) -> Result<OnlineEwc> {
        strength("lambda", self.lambda)?;
        share("gamma", self.gamma)?;
        positive("examples", self.examples)?;
        Ok(OnlineEwc {
            config: self.clone(),
            shared: Shared::new(Anchored::new(model)),
        })
    }
}

/// A handle on online elastic weight consolidation: clones share its state. See [`OnlineEwcConfig`].
#[derive(Clone)]
pub struct OnlineEwc {
    config: OnlineEwcConfig,
    shared: Shared<Anchored>,
}

impl fmt::Debug for OnlineEwc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "OnlineEwc(lambda {}, {} tasks)",
            self.config.lambda,
            self.tasks()
        )
    }
}

impl<M: Classifier> Strategy<M> for OnlineEwc {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        self.shared
            .penalty(model, self.config.lambda / 2.0, &batch.device())
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        let config = &self.config;
        let seed = config.seed.wrapping_add(self.tasks() as u64);
        let watch = Watch::default();
        let fisher = fisher(&model, data, config.fisher, config.examples, seed, &watch)?;
        let mut state = self.shared.lock();
        let fisher = fisher.rebound(&state.space)?;
        let fisher = match &state.held {
            Some(held) => fisher.axpy(config.gamma, held.weights())?,
            None => fisher,
        };
        let anchor = ParamVector::of(&model).rebound(&state.space)?;
        state.hold(Quadratic::new(fisher, anchor)?);
        Ok(model)
    }
}

anchored!(OnlineEwc, "online ewc 1");
