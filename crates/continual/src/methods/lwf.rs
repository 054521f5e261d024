//! # Lwf
//!
//! Learning without forgetting: on the new inputs, the outputs of old classes stay near those of the network before the task.
//!
//! Source: Li and Hoiem, "Learning without forgetting" (arXiv 1606.09282), equation 3; alpha as in Avalanche.

use std::collections::BTreeSet;
use std::fmt;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::Tensor;
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::{Part, PartError};
use serde::{Deserialize, Serialize};

use crate::classifier::Classifier;
use crate::error::{check, strength};
use crate::examples::Examples;
use crate::penalties::{OutputDivergence, Target, of_classes};
use crate::saved::Saved;
use crate::scenario::Task;
use crate::strategy::{Shared, Steps, Strategy, zero};
use crate::teacher::{Teacher, classes};
use crate::{ContinualError, Result};

/// `penalty = alpha * mean_x KL( softmax(z_old(x) / T) ‖ softmax(z(x) / T) )` over the classes of the tasks that ended, x the inputs of
/// the batch and `z_old` the logits of the network at the end of the last task.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `alpha` | 1 | strength, 0 or more |
/// | `temperature` | 2 | T, above 0 |
///
/// The earlier network is kept as one vector of values, with its running statistics, and runs in validation mode. Its classes are the
/// labels of the tasks' data. The value is not multiplied by `T^2`. Differs from Mammoth in alpha, which is .5 there with a softmax
/// raised to `1/T` (the same after normalisation), and in that no new head is warmed up first.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::{Classifier, LwfConfig, Strategy};
/// use regimen_tensor::Prepared;
/// # #[derive(Module, Debug)]
/// # struct Model { head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(x.clone()) }
/// # }
/// # let device = Device::flex().autodiff();
/// # let model = Model { head: LinearConfig::new(2, 4).init(&device) };
/// # let batch = (Tensor::<2>::from_data([[1.0, 2.0], [0.0, 1.0]], &device), Tensor::<1, Int>::from_data([0, 1], &device));
///
/// let lwf = LwfConfig::new().init(&model)?;
/// let model = lwf.after_task(model, &Prepared(vec![batch.clone()]))?;
/// // in `TrainStep::step`: the cross-entropy of the batch and the penalty
/// let loss = lwf.loss(&model, &batch)?;
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct LwfConfig {
    /// Strength, 0 or more.
    #[config(default = 1.0)]
    pub alpha: f64,
    /// Both logits are divided by it, above 0.
    #[config(default = 2.0)]
    pub temperature: f64,
}

impl LwfConfig {
    /// For a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If `alpha` is negative, `temperature` is not above 0, or one is not finite.
    pub fn init<M: Module>(&self, model: &M) -> Result<Lwf> {
        strength("alpha", self.alpha)?;
        check(
            "temperature",
            self.temperature,
            self.temperature > 0.0,
            "above 0",
        )?;
        Ok(Lwf {
            config: self.clone(),
            shared: Shared::new(State {
                space: Teacher::space(model),
                current: Vec::new(),
                old: BTreeSet::new(),
                teacher: None,
            }),
        })
    }
}

/// A handle on learning without forgetting: clones share its state. See [`LwfConfig`].
#[derive(Clone)]
pub struct Lwf {
    config: LwfConfig,
    shared: Shared<State>,
}

struct State {
    space: ParamVector,
    /// Classes of the running task, where the user told them.
    current: Vec<usize>,
    old: BTreeSet<usize>,
    teacher: Option<Teacher>,
}

/// What is saved beside the earlier network.
#[derive(Serialize, Deserialize)]
struct Plain {
    step: usize,
    current: Vec<usize>,
    old: BTreeSet<usize>,
}

impl fmt::Debug for Lwf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (alpha, old) = (self.config.alpha, self.old_classes().len());
        write!(f, "Lwf(alpha {alpha}, {old} old classes)")
    }
}

impl Lwf {
    /// The classes of the tasks that ended, in ascending order.
    #[must_use]
    pub fn old_classes(&self) -> Vec<usize> {
        self.shared.lock().old.iter().copied().collect()
    }
}

impl<M: Classifier> Strategy<M> for Lwf {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        if self.shared.lock().teacher.is_none() {
            return Ok(zero(&batch.device()));
        }
        self.with_teacher(model, batch, &model.logits(batch))
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        // One forward pass serves both parts: a second one would move running statistics twice.
        let logits = model.logits(batch);
        let penalty = self.with_teacher(model, batch, &logits)?;
        let labels = OutputDivergence::CrossEntropyToLabel;
        Ok(labels.of(logits, &Target::Labels(batch.labels()))? + penalty)
    }

    fn before_task(&self, model: M, task: &Task) -> Result<M> {
        self.shared.lock().current = task.classes.clone();
        Ok(model)
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        let known = self.shared.lock().current.clone();
        let current = match known.is_empty() {
            true => classes(data)?,
            false => known.into_iter().collect(),
        };
        let teacher = Teacher::of(&model)?;
        let mut state = self.shared.lock();
        state.old.extend(current);
        state.teacher = Some(teacher);
        state.current.clear();
        Ok(model)
    }
}

impl Lwf {
    fn with_teacher<M: Classifier>(
        &self,
        model: &M,
        batch: &M::Batch,
        logits: &Tensor<2>,
    ) -> Result<Tensor<1>> {
        let (teacher, old) = {
            let state = self.shared.lock();
            (
                state.teacher.clone(),
                state.old.iter().copied().collect::<Vec<_>>(),
            )
        };
        let Some(teacher) = teacher else {
            return Ok(zero(&batch.device()));
        };
        let kept = teacher.model(model)?.logits(&batch.inner());
        let kept = Target::Logits(of_classes(kept, &old)?);
        let temperature = self.config.temperature;
        let divergence = OutputDivergence::KlToStored { temperature };
        let own = of_classes(logits.clone(), &old)?;
        Ok(divergence.of(own, &kept)? * self.config.alpha)
    }
}

impl Part for Lwf {
    fn kind(&self) -> String {
        "lwf 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = self.shared.lock();
        let saved = Saved::new(&Plain {
            step: self.shared.steps.taken(),
            current: state.current.clone(),
            old: state.old.clone(),
        })?;
        let saved = match &state.teacher {
            Some(teacher) => teacher.write("teacher", saved)?,
            None => saved,
        };
        Ok(saved.to_bytes()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let plain: Plain = saved.state()?;
        let mut state = self.shared.lock();
        let teacher = Teacher::read("teacher", &saved, &state.space)?;
        if teacher.is_none() != plain.old.is_empty() {
            let reason = "classes and network do not fit".into();
            return Err(ContinualError::State(reason).into());
        }
        (state.teacher, state.old, state.current) = (teacher, plain.old, plain.current);
        self.shared.steps.restore(plain.step);
        Ok(())
    }
}
