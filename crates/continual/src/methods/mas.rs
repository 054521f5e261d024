//! # Mas
//!
//! Memory aware synapses: weights are held by how much the outputs depend on them, without labels.
//!
//! Source: Aljundi et al., "Memory Aware Synapses" (arXiv 1711.09601), section 4; the moving average as in Avalanche.

use std::fmt;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::{FloatDType, Tensor};
use regimen_tensor::{ParamVector, fisher};

use super::anchored::{Anchored, anchored};
use crate::Result;
use crate::classifier::Classifier;
use crate::error::{positive, share, strength};
use crate::examples::Examples;
use crate::penalties::{Quadratic, finite, singles};
use crate::strategy::{Shared, Steps, Strategy};

/// `penalty = lambda * sum_i Omega_i (theta_i - theta*_i)^2` with `Omega_i = mean_x |d ||f(x)||^2 / d theta_i|` over single examples
/// and logits f; after a task `theta* <- theta`.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `lambda` | | strength, 0 or more |
/// | `decay` | none | none: `Omega` is summed over tasks, as in the paper; `a`, 0 to 1: `Omega <- a Omega + (1 - a) Omega_new`, as in Avalanche with .5 |
/// | `examples` | 1024 | examples of a task of which it is taken, at most |
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_continual::MasConfig;
///
/// # let model = LinearConfig::new(2, 2).init(&Device::flex().autodiff());
/// let mas = MasConfig::new(1.0).with_decay(Some(0.5)).init(&model)?;
/// assert_eq!(mas.tasks(), 0);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct MasConfig {
    /// Strength, 0 or more.
    pub lambda: f64,
    /// None: importances are summed over tasks; else what stays of the earlier ones, 0 to 1, and the rest is of the new.
    #[config(default = "None")]
    pub decay: Option<f64>,
    /// Examples of a task of which the importance is taken, at most; one backward pass each.
    #[config(default = 1024)]
    pub examples: usize,
}

impl MasConfig {
    /// For a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If a value is outside of what the table allows.
    pub fn init<M: Module>(&self, model: &M) -> Result<Mas> {
        strength("lambda", self.lambda)?;
        share("decay", self.decay.unwrap_or_default())?;
        positive("examples", self.examples)?;
        Ok(Mas {
            config: self.clone(),
            shared: Shared::new(Anchored::new(model)),
        })
    }
}

/// A handle on memory aware synapses: clones share its state. See [`MasConfig`].
#[derive(Clone)]
pub struct Mas {
    config: MasConfig,
    shared: Shared<Anchored>,
}

impl fmt::Debug for Mas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Mas(lambda {}, {} tasks)",
            self.config.lambda,
            self.tasks()
        )
    }
}

impl<M: Classifier> Strategy<M> for Mas {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        self.shared
            .penalty(model, self.config.lambda, &batch.device())
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        let config = &self.config;
        let rows = singles(data, config.examples)?;
        let loss = |model: &M, row| {
            let logits: Tensor<2> = model.logits(&row).cast(FloatDType::F32);
            logits.square().sum()
        };
        let omega = fisher::batch_absolute(&model, rows, loss)?;
        finite("importances", &omega)?;
        let mut state = self.shared.lock();
        let omega = omega.rebound(&state.space)?;
        let omega = match (&state.held, config.decay) {
            (Some(held), Some(decay)) => omega.scale(1.0 - decay).axpy(decay, held.weights())?,
            (Some(held), None) => omega.add(held.weights())?,
            (None, _) => omega,
        };
        let anchor = ParamVector::of(&model).rebound(&state.space)?;
        state.hold(Quadratic::new(omega, anchor)?);
        Ok(model)
    }
}

anchored!(Mas, "mas 1");
