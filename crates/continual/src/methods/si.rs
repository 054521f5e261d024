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
use serde::{Deserialize, Serialize};

use super::path::Path;
use crate::Result;
use crate::classifier::Classifier;
use crate::error::{check, strength};
use crate::examples::Examples;
use crate::penalties::{Quadratic, finite};
use crate::saved::Saved;
use crate::strategy::{Shared, Steps, Strategy, space, zero};

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
            shared: Shared::new(State {
                work: space.clone(),
                space,
                tasks: 0,
                held: None,
                start: None,
                path: Path::default(),
            }),
        })
    }
}

/// A handle on synaptic intelligence: clones share its state. See [`SiConfig`].
#[derive(Clone)]
pub struct Si {
    config: SiConfig,
    shared: Shared<State>,
}

struct State {
    space: ParamVector,
    tasks: usize,
    held: Option<Quadratic>,
    /// `w`.
    work: ParamVector,
    /// The weights at the first update of the task.
    start: Option<ParamVector>,
    path: Path,
}

/// What is saved beside the vectors.
#[derive(Serialize, Deserialize)]
struct Plain {
    step: usize,
    tasks: usize,
    constant: Option<f64>,
}

impl fmt::Debug for Si {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Si(c {}, {} tasks)", self.config.c, self.tasks())
    }
}

impl Si {
    /// Tasks that ended.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.shared.lock().tasks
    }

    /// The importances and weights that are held; none in the first task.
    #[must_use]
    pub fn held(&self) -> Option<Quadratic> {
        self.shared.lock().held.clone()
    }

    /// `w` of the present task so far.
    #[must_use]
    pub fn work(&self) -> ParamVector {
        self.shared.lock().work.clone()
    }
}

impl<M: Classifier> Strategy<M> for Si {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let held = {
            let mut state = self.shared.lock();
            state.path.penalised();
            state.held.clone()
        };
        match held {
            Some(held) => Ok(held.at(model)? * self.config.c),
            None => Ok(zero(&batch.device())),
        }
    }

    fn before_update(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        let mut state = self.shared.lock();
        let State { path, held, .. } = &mut *state;
        let factor = self.config.c * self.config.loss_scale;
        let point = path.before(model, grads, held.as_ref(), factor)?;
        if state.start.is_none() {
            state.start = Some(point.rebound(&state.space)?);
        }
        Ok(())
    }

    fn after_update(&self, model: M) -> (M, Result<()>) {
        let result = self.note(&model);
        (model, result)
    }

    fn leave_out(&self) {
        self.shared.lock().path.forget();
    }

    fn after_task(&self, model: M, _: &dyn DataLoader<M::Batch>) -> Result<M> {
        let mut state = self.shared.lock();
        let end = ParamVector::of(&model).widened().rebound(&state.space)?;
        let start = state.start.as_ref().unwrap_or(&end);
        let xi = self.config.xi;
        let moved = end.clone().sub(start)?;
        let omega = state
            .work
            .clone()
            .zip(&moved, |work, moved| work / (moved.square() + xi))?;
        let omega = match &state.held {
            Some(held) => omega.add(held.weights())?,
            None => omega,
        };
        let omega = omega.map(|_, omega| omega.clamp_min(0.0));
        finite("importances", &omega)?;
        state.held = Some(Quadratic::new(omega, end)?);
        state.work = state.space.clone();
        state.start = None;
        state.tasks += 1;
        Ok(model)
    }
}

impl Si {
    /// Adds an update to `w`.
    fn note<M: Module>(&self, model: &M) -> Result<()> {
        let mut state = self.shared.lock();
        let Some((gradient, moved)) = state.path.after(model)? else {
            return Ok(());
        };
        let gradient = match self.config.clip {
            Some(clip) => gradient.map(|_, values| values.clamp(-clip, clip)),
            None => gradient,
        };
        let gain = gradient.hadamard(&moved)?.rebound(&state.space)?;
        state.work = state.work.clone().axpy(-1.0, &gain)?;
        Ok(())
    }
}

impl Part for Si {
    fn kind(&self) -> String {
        "si 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = self.shared.lock();
        let saved = Saved::new(&Plain {
            step: self.shared.steps.taken(),
            tasks: state.tasks,
            constant: state.held.as_ref().map(Quadratic::constant),
        })?;
        let saved = saved
            .with_held(state.held.as_ref())?
            .with("work", &state.work)?;
        let saved = match &state.start {
            Some(start) => saved.with("start", start)?,
            None => saved,
        };
        Ok(saved.to_bytes()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let plain: Plain = saved.state()?;
        let mut state = self.shared.lock();
        let held = saved.held(plain.constant, &state.space)?;
        let work = saved.required("work", &state.space)?;
        let start = saved.vector("start", &state.space)?;
        (state.held, state.work, state.start) = (held, work, start);
        (state.tasks, state.path) = (plain.tasks, Path::default());
        self.shared.steps.restore(plain.step);
        Ok(())
    }
}
