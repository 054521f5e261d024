//! # RWalk
//!
//! Riemannian walk: weights are held by their Fisher information and by how much moving them lowered the loss, per distance in
//! distribution.
//!
//! Source: Chaudhry et al., "Riemannian Walk for Incremental Learning" (arXiv 1801.10112), section 4; constants as in Avalanche.

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
use crate::classifier::Classifier;
use crate::error::{check, positive, share, strength};
use crate::examples::{Examples, read};
use crate::penalties::{Quadratic, finite};
use crate::saved::Saved;
use crate::strategy::{Shared, Steps, Strategy, space, zero};
use crate::{ContinualError, Result};

/// `penalty = lambda * sum_i (F_i / max F + relu(s_i) / max s) (theta_i - theta*_i)^2`, maxima over all parameters.
///
/// Each update: `F <- alpha g^2 + (1 - alpha) F`, and `-g (theta after - theta before)` is added to `dL`. Every `interval` updates:
/// `s_task += dL / (F / 2 (theta now - theta then)^2 + eps)` with the machine epsilon of f32, and `dL <- 0`. At the end of a task
/// `s <- (s + s_task) / 2`, in the first `s_task`.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `lambda` | 0.1 | strength, 0 or more |
/// | `alpha` | 0.9 | weight of the newest squared gradient, 0 to 1 |
/// | `interval` | 10 | updates between two scores |
/// | `loss_scale` | 1 | what the loss of a micro-batch, penalty included, is multiplied by before its backward pass |
///
/// `g` is the gradient of the task's loss without the penalty, as in [`Si`](crate::Si). Updates after the last full interval of a task count as
/// one more.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_continual::RWalkConfig;
///
/// # let model = LinearConfig::new(2, 2).init(&Device::flex().autodiff());
/// let walk = RWalkConfig::new().with_interval(5).init(&model)?;
/// assert_eq!(walk.tasks(), 0);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct RWalkConfig {
    /// Strength, 0 or more.
    #[config(default = 0.1)]
    pub lambda: f64,
    /// Weight of the newest squared gradient, 0 to 1.
    #[config(default = 0.9)]
    pub alpha: f64,
    /// Updates between two scores, at least 1.
    #[config(default = 10)]
    pub interval: usize,
    /// What the loss of a micro-batch is multiplied by, above 0.
    #[config(default = 1.0)]
    pub loss_scale: f64,
}

impl RWalkConfig {
    /// For a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If a value is outside of what the table allows.
    pub fn init<M: Module>(&self, model: &M) -> Result<RWalk> {
        strength("lambda", self.lambda)?;
        share("alpha", self.alpha)?;
        positive("interval", self.interval)?;
        let scale = self.loss_scale;
        check("loss_scale", scale, scale > 0.0, "above 0, finite")?;
        let space = space(model);
        Ok(RWalk {
            config: self.clone(),
            shared: Shared::new(State {
                fisher: space.clone(),
                score: space.clone(),
                task_score: space.clone(),
                work: space.clone(),
                space,
                tasks: 0,
                updates: 0,
                held: None,
                start: None,
                path: Path::default(),
            }),
        })
    }
}

/// A handle on RWalk: clones share its state. See [`RWalkConfig`].
#[derive(Clone)]
pub struct RWalk {
    config: RWalkConfig,
    shared: Shared<State>,
}

struct State {
    space: ParamVector,
    tasks: usize,
    held: Option<Quadratic>,
    fisher: ParamVector,
    /// `s` of the tasks that ended, and of the present one.
    score: ParamVector,
    task_score: ParamVector,
    /// `dL`, of so many updates, and the weights before the first of them.
    work: ParamVector,
    updates: usize,
    start: Option<ParamVector>,
    path: Path,
}

/// What is saved beside the vectors.
#[derive(Serialize, Deserialize)]
struct Plain {
    step: usize,
    tasks: usize,
    updates: usize,
    constant: Option<f64>,
}

impl fmt::Debug for RWalk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RWalk(lambda {}, {} tasks)",
            self.config.lambda,
            self.tasks()
        )
    }
}

impl RWalk {
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

    /// `s` of the present task so far: below 0 where moving a weight raised the loss.
    #[must_use]
    pub fn task_score(&self) -> ParamVector {
        self.shared.lock().task_score.clone()
    }

    /// The moving Fisher diagonal.
    #[must_use]
    pub fn fisher(&self) -> ParamVector {
        self.shared.lock().fisher.clone()
    }
}

impl<M: Classifier> Strategy<M> for RWalk {
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
            Some(held) => Ok(held.at(model)? * self.config.lambda),
            None => Ok(zero(&batch.device())),
        }
    }

    fn before_update(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        let mut state = self.shared.lock();
        let State { path, held, .. } = &mut *state;
        let factor = self.config.lambda * self.config.loss_scale;
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
        state.scored(&end)?;
        let score = match state.tasks {
            0 => state.task_score.clone(),
            _ => state.score.clone().add(&state.task_score)?.scale(0.5),
        };
        let weights = relative(&state.fisher)?.add(&relative(&score)?)?;
        finite("importances", &weights)?;
        state.held = Some(Quadratic::new(weights, end)?);
        (state.score, state.task_score) = (score, state.space.clone());
        state.tasks += 1;
        Ok(model)
    }
}

impl RWalk {
    /// Adds an update.
    fn note<M: Module>(&self, model: &M) -> Result<()> {
        let mut state = self.shared.lock();
        let Some((gradient, moved)) = state.path.after(model)? else {
            return Ok(());
        };
        let gain = gradient.clone().hadamard(&moved)?.rebound(&state.space)?;
        let square = gradient
            .map(|_, values| values.square())
            .rebound(&state.space)?;
        let alpha = self.config.alpha;
        state.fisher = square.scale(alpha).axpy(1.0 - alpha, &state.fisher)?;
        state.work = state.work.clone().axpy(-1.0, &gain)?;
        state.updates += 1;
        if state.updates == self.config.interval {
            let now = ParamVector::of(model).widened().rebound(&state.space)?;
            state.scored(&now)?;
        }
        Ok(())
    }
}

impl State {
    /// Scores the updates since the last score.
    fn scored(&mut self, now: &ParamVector) -> Result<()> {
        let Some(start) = self.start.clone() else {
            return Ok(());
        };
        let distance = now
            .clone()
            .sub(&start)?
            .zip(&self.fisher, |moved, fisher| {
                moved.square() * fisher * 0.5 + f64::from(f32::EPSILON)
            })?;
        let gain = self
            .work
            .clone()
            .zip(&distance, |work, distance| work / distance)?;
        self.task_score = self.task_score.clone().add(&gain)?;
        (self.work, self.updates, self.start) = (self.space.clone(), 0, None);
        Ok(())
    }
}

/// What is above 0, as a share of the largest value; zeros where nothing is.
fn relative(values: &ParamVector) -> Result<ParamVector> {
    let largest = values
        .entries()
        .iter()
        .map(|entry| entry.values.clone().max());
    let largest = largest.reduce(|a, b| a.max_pair(b));
    let largest = match largest {
        Some(largest) => read("the largest importance", largest.try_into_vec_as::<f32>())?[0],
        None => 0.0,
    };
    let factor = if largest > 0.0 {
        1.0 / f64::from(largest)
    } else {
        0.0
    };
    Ok(values
        .clone()
        .map(|_, values| values.clamp_min(0.0) * factor))
}

impl Part for RWalk {
    fn kind(&self) -> String {
        "rwalk 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = self.shared.lock();
        let saved = Saved::new(&Plain {
            step: self.shared.steps.taken(),
            tasks: state.tasks,
            updates: state.updates,
            constant: state.held.as_ref().map(Quadratic::constant),
        })?;
        let saved = saved.with_held(state.held.as_ref())?;
        let saved = saved
            .with("work", &state.work)?
            .with("fisher", &state.fisher)?;
        let saved = saved
            .with("score", &state.score)?
            .with("task score", &state.task_score)?;
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
        let [work, fisher, score, task_score] = {
            let vector = |name| saved.required(name, &state.space);
            [
                vector("work")?,
                vector("fisher")?,
                vector("score")?,
                vector("task score")?,
            ]
        };
        let start = saved.vector("start", &state.space)?;
        if plain.updates >= self.config.interval {
            let most = self.config.interval - 1;
            return Err(
                ContinualError::range("updates", plain.updates, &format!("0 to {most}")).into(),
            );
        }
        (state.held, state.work, state.start) = (held, work, start);
        (state.fisher, state.score, state.task_score) = (fisher, score, task_score);
        (state.tasks, state.updates, state.path) = (plain.tasks, plain.updates, Path::default());
        self.shared.steps.restore(plain.step);
        Ok(())
    }
}
