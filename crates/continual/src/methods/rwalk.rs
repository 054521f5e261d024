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

use super::anchored::held;
use super::path::Walked;
use crate::classifier::Classifier;
use crate::error::{check, positive, share, strength};
use crate::examples::{Examples, read};
use crate::penalties::{Quadratic, finite};
use crate::strategy::{Shared, Steps, Strategy, space};
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
            shared: Shared::new(Walked::new(
                space.clone(),
                Scores {
                    fisher: space.clone(),
                    score: space.clone(),
                    task_score: space.clone(),
                    work: space,
                    updates: 0,
                },
            )),
        })
    }
}

/// A handle on RWalk: clones share its state. See [`RWalkConfig`].
#[derive(Clone)]
pub struct RWalk {
    config: RWalkConfig,
    /// The way starts at the first update since the last score.
    shared: Shared<Walked<Scores>>,
}

struct Scores {
    fisher: ParamVector,
    /// `s` of the tasks that ended, and of the present one.
    score: ParamVector,
    task_score: ParamVector,
    /// `dL`, of so many updates.
    work: ParamVector,
    updates: usize,
}

held!(RWalk);

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
    /// `s` of the present task so far: below 0 where moving a weight raised the loss.
    #[must_use]
    pub fn task_score(&self) -> ParamVector {
        self.shared.lock().own.task_score.clone()
    }

    /// The moving Fisher diagonal.
    #[must_use]
    pub fn fisher(&self) -> ParamVector {
        self.shared.lock().own.fisher.clone()
    }
}

impl<M: Classifier> Strategy<M> for RWalk {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        self.shared
            .penalty(model, self.config.lambda, &batch.device())
    }

    fn before_update(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        let factor = self.config.lambda * self.config.loss_scale;
        self.shared.before(model, grads, factor)
    }

    /// Adds the update, and scores the last ones where it is time.
    fn after_update(&self, model: M) -> (M, Result<()>) {
        let RWalkConfig {
            alpha, interval, ..
        } = self.config;
        self.shared.after(model, |state, model, gradient, moved| {
            let gain = gradient.clone().hadamard(&moved)?.rebound(&state.space)?;
            let square = gradient
                .map(|_, values| values.square())
                .rebound(&state.space)?;
            let own = &mut state.own;
            own.fisher = square.scale(alpha).axpy(1.0 - alpha, &own.fisher)?;
            own.work = own.work.clone().axpy(-1.0, &gain)?;
            own.updates += 1;
            if own.updates == interval {
                let now = ParamVector::of(model).widened().rebound(&state.space)?;
                state.scored(&now)?;
            }
            Ok(())
        })
    }

    fn leave_out(&self) {
        self.shared.leave_out();
    }

    fn after_task(&self, model: M, _: &dyn DataLoader<M::Batch>) -> Result<M> {
        let mut state = self.shared.lock();
        let end = ParamVector::of(&model).widened().rebound(&state.space)?;
        state.scored(&end)?;
        let own = &state.own;
        let score = match state.tasks {
            0 => own.task_score.clone(),
            _ => own.score.clone().add(&own.task_score)?.scale(0.5),
        };
        let weights = relative(&own.fisher)?.add(&relative(&score)?)?;
        finite("importances", &weights)?;
        state.hold(Quadratic::new(weights, end)?);
        (state.own.score, state.own.task_score) = (score, state.space.clone());
        Ok(model)
    }
}

impl Walked<Scores> {
    /// Scores the updates since the last score.
    fn scored(&mut self, now: &ParamVector) -> Result<()> {
        let Some(start) = self.start.clone() else {
            return Ok(());
        };
        let own = &mut self.own;
        let distance = now.clone().sub(&start)?.zip(&own.fisher, |moved, fisher| {
            moved.square() * fisher * 0.5 + f64::from(f32::EPSILON)
        })?;
        let gain = own
            .work
            .clone()
            .zip(&distance, |work, distance| work / distance)?;
        own.task_score = own.task_score.clone().add(&gain)?;
        (own.work, own.updates) = (self.space.clone(), 0);
        self.start = None;
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
        self.shared.save(
            |own| own.updates,
            |own, saved| {
                let saved = saved.with("work", &own.work)?.with("fisher", &own.fisher)?;
                saved
                    .with("score", &own.score)?
                    .with("task score", &own.task_score)
            },
        )
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let most = self.config.interval - 1;
        self.shared.load(bytes, |updates: usize, saved, space| {
            if updates > most {
                let allowed = format!("0 to {most}");
                return Err(ContinualError::range("updates", updates, &allowed));
            }
            let vector = |name| saved.required(name, space);
            Ok(Scores {
                fisher: vector("fisher")?,
                score: vector("score")?,
                task_score: vector("task score")?,
                work: vector("work")?,
                updates,
            })
        })
    }
}
