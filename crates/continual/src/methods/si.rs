//! # Si
//!
//! Synaptic intelligence: weights are held by how much their way through each task lowered its loss.
//!
//! Source: Zenke et al., "Continual Learning Through Synaptic Intelligence" (arXiv 1703.04200), equations 3 to 5.

use std::fmt;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::Tensor;
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::{Part, PartError};
use regimen_tensor::training::Gradients;

use super::anchored::held;
use super::path::Walked;
use crate::Result;
use crate::classifier::Classifier;
use crate::error::{check, strength};
use crate::examples::Examples;
use crate::penalties::{Quadratic, finite};
use crate::strategy::{Shared, Steps, Strategy, space};

/// `penalty = c * sum_i Omega_i (theta_i - theta*_i)^2`. In a task, each update adds `-g_i (theta_i after - theta_i before)` to `w_i`; at
/// its end `Omega_i <- max(0, Omega_i + w_i / ((theta_i end - theta_i start)^2 + xi))`, `theta* <- theta`, `w <- 0`.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `c` | | strength, 0 or more |
/// | `xi` | 0.001 | damping, above 0 |
/// | `clip` | none | gradients in `w` are cut to `-clip ..= clip`, as Mammoth does with 1 |
/// | `loss_scale` | 1 | what the loss of a micro-batch, penalty included, is multiplied by before its backward pass |
///
/// `g` is the gradient of the task's loss without the penalty: the penalty's, known in closed form, is taken off for each
/// micro-batch on which [`penalty`](Strategy::penalty) was called. The way is the one that the optimizer took, with momentum or Adam too.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_continual::SiConfig;
///
/// # let model = LinearConfig::new(2, 2).init(&Device::flex().autodiff());
/// let si = SiConfig::new(0.1).init(&model)?;
/// assert_eq!(si.tasks(), 0);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct SiConfig {
    /// Strength, 0 or more.
    pub c: f64,
    /// Damping, above 0.
    #[config(default = 0.001)]
    pub xi: f64,
    /// Largest magnitude of a gradient in the path, above 0; none cuts nothing.
    #[config(default = "None")]
    pub clip: Option<f64>,
    /// What the loss of a micro-batch is multiplied by, above 0.
    #[config(default = 1.0)]
    pub loss_scale: f64,
}

impl SiConfig {
    /// For a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If a value is outside of what the table allows.
    pub fn init<M: Module>(&self, model: &M) -> Result<Si> {
        strength("c", self.c)?;
        let above = |field, value: f64| check(field, value, value > 0.0, "above 0, finite");
        above("xi", self.xi)?;
        above("clip", self.clip.unwrap_or(1.0))?;
        above("loss_scale", self.loss_scale)?;
        let space = space(model);
        Ok(Si {
            config: self.clone(),
            shared: Shared::new(Walked::new(space.clone(), space)),
        })
    }
}

/// A handle on synaptic intelligence: clones share its state. See [`SiConfig`].
#[derive(Clone)]
pub struct Si {
    config: SiConfig,
    /// With `w`; the way starts at the first update of the task.
    shared: Shared<Walked<ParamVector>>,
}

held!(Si);

impl fmt::Debug for Si {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Si(c {}, {} tasks)", self.config.c, self.tasks())
    }
}

impl Si {
    /// `w` of the present task so far.
    #[must_use]
    pub fn work(&self) -> ParamVector {
        self.shared.lock().own.clone()
    }
}

impl<M: Classifier> Strategy<M> for Si {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        self.shared.penalty(model, self.config.c, &batch.device())
    }

    fn before_update(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        let factor = self.config.c * self.config.loss_scale;
        self.shared.before(model, grads, factor)
    }

    /// Adds the update to `w`.
    fn after_update(&self, model: M) -> (M, Result<()>) {
        self.shared.after(model, |state, _, gradient, moved| {
            let gradient = match self.config.clip {
                Some(clip) => gradient.map(|_, values| values.clamp(-clip, clip)),
                None => gradient,
            };
            let gain = gradient.hadamard(&moved)?.rebound(&state.space)?;
            state.own = state.own.clone().axpy(-1.0, &gain)?;
            Ok(())
        })
    }

    fn leave_out(&self) {
        self.shared.leave_out();
    }

    fn after_task(&self, model: M, _: &dyn DataLoader<M::Batch>) -> Result<M> {
        let mut state = self.shared.lock();
        let end = ParamVector::of(&model).widened().rebound(&state.space)?;
        let start = state.start.as_ref().unwrap_or(&end);
        let xi = self.config.xi;
        let moved = end.clone().sub(start)?;
        let omega = state
            .own
            .clone()
            .zip(&moved, |work, moved| work / (moved.square() + xi))?;
        let omega = match &state.held {
            Some(held) => omega.add(held.weights())?,
            None => omega,
        };
        let omega = omega.map(|_, omega| omega.clamp_min(0.0));
        finite("importances", &omega)?;
        state.hold(Quadratic::new(omega, end)?);
        state.own = state.space.clone();
        Ok(model)
    }
}

impl Part for Si {
    fn kind(&self) -> String {
        "si 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        self.shared
            .save(|_| (), |work, saved| saved.with("work", work))
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        self.shared
            .load(bytes, |(), saved, space| saved.required("work", space))
    }
}
