//! # Hat
//!
//! Hard attention to the task: gates over the units of a network, one set a task, and weights between gates of earlier tasks stay.
//!
//! Source: Serra et al., "Overcoming catastrophic forgetting with hard attention to the task" (arXiv 1801.01423).

mod saving;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::tensor::activation::sigmoid;
use burn::tensor::{FloatDType, Tensor};
use regimen_tensor::ParamVector;
use regimen_tensor::training::Gradients;

use super::hat_gate::{Anneal, Annealed, Gated, embeddings};
use super::hat_mask::{compensation, matrix, movable, no_embedding, no_gate, of_task};
use crate::classifier::Classifier;
use crate::error::{check, positive, strength};
use crate::scenario::Task;
use crate::strategy::{Shared, Steps, Strategy, zero};
use crate::{ContinualError, Result};

/// Largest magnitude of an embedding.
const REACH: f64 = 6.0;
/// Gates `a = sigmoid(s e)` on units, with an embedding e for each task and unit, and s annealed from `1 / s_max` to `s_max` within
/// each epoch.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `batches` | | optimizer steps of one epoch, at least 1 |
/// | `layers` | none | the layers and the gates before and behind them ([`Gated`]) |
/// | `s_max` | 400 | steepest gate, 1 or more |
/// | `sparsity` | 0.75 | c of the penalty, 0 or more |
///
/// - in step b of B of an epoch, `s = 1/s_max + (s_max - 1/s_max) (b - 1) / (B - 1)`; off the tape, in evaluation, `s = s_max`;
/// - an embedding's gradient is multiplied by `s_max/s * (cosh(s e) + 1) / (cosh(e) + 1)`, which makes it independent of s, and
///   embeddings stay within -6 to 6;
/// - after a task its gates at `s_max` are kept, and the change of a weight in later tasks is multiplied by `1 - min(a_out, a_in)`, a
///   bias's by `1 - a_out`, with a the largest over the other tasks' gates; a layer without a gate on one side has 1 there;
/// - penalty `c sum a (1 - a_others) / sum (1 - a_others)`, so that a task takes few new units.
///
/// The model holds [`HatGate`](super::HatGate)s and, marked `#[module(skip)]`, this handle: the gates ask it for the task and s. The whole change
/// of the optimizer's step is masked, so that momentum or Adam cannot move what a gate of 1 protects: such weights, and the embeddings
/// of other tasks, keep their bits. For evaluation say [`show`](Hat::show) for the task and take
/// [`valid`](burn::module::Module::valid).
///
/// Differs from the released code in the mask, which is on the gradient there: the same for plain gradient descent.
///
/// ```
/// use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor, activation::relu}};
/// use regimen_continual::{Classifier, Gated, Hat, HatConfig, HatGate, HatGateConfig, Strategy, Task};
///
/// #[derive(Module, Debug)]
/// struct Model {
///     hidden: Linear,
///     gate: HatGate,
///     head: Linear,
///     #[module(skip)]
///     hat: Hat,
/// }
///
/// impl Classifier for Model {
///     type Batch = (Tensor<2>, Tensor<1, Int>);
///
///     fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
///         let hidden = relu(self.hidden.forward(inputs.clone()));
///         self.head.forward(self.gate.forward(hidden, &self.hat))
///     }
/// }
///
/// let device = Device::flex().autodiff();
/// let layers = vec![
///     Gated::new("hidden").before("gate"),
///     Gated::new("head").behind("gate"),
/// ];
/// let hat = HatConfig::new(100).with_layers(layers).init()?;
/// let model = Model {
///     hidden: LinearConfig::new(2, 8).init(&device),
///     gate: HatGateConfig::new(5, 8).init(&device)?,
///     head: LinearConfig::new(8, 2).init(&device),
///     hat: hat.clone(),
/// };
/// let task = Task { id: 0, classes: vec![0, 1], examples: 3200 };
/// let model = hat.before_task(model, &task)?;
/// let batch = (Tensor::<2>::ones([4, 2], &device), Tensor::<1, Int>::zeros([4], &device));
/// let loss = hat.loss(&model, &batch)?; // with the penalty
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct HatConfig {
    /// Optimizer steps of one epoch.
    pub batches: usize,
    /// The layers and the gates before and behind them.
    #[config(default = "Vec::new()")]
    pub layers: Vec<Gated>,
    /// Steepest gate.
    #[config(default = 400.0)]
    pub s_max: f64,
    /// The penalty's c.
    #[config(default = 0.75)]
    pub sparsity: f64,
}

impl HatConfig {
    /// Before the model is made, which holds it.
    ///
    /// # Errors
    /// If `batches` is 0, `s_max` is below 1 or above 1e6, or `sparsity` is negative or not finite.
    pub fn init(&self) -> Result<Hat> {
        positive("batches", self.batches)?;
        let steep = (1.0..=1e6).contains(&self.s_max);
        check("s_max", self.s_max, steep, "1 to 1e6")?;
        strength("sparsity", self.sparsity)?;
        Ok(Hat {
            config: self.clone(),
            shared: Shared::new(State::default()),
        })
    }
}

/// A handle on hard attention to the task: clones share its state. See [`HatConfig`].
#[derive(Clone)]
pub struct Hat {
    config: HatConfig,
    shared: Shared<State>,
}

#[derive(Clone, Default)]
struct State {
    /// The task that trains.
    task: usize,
    /// The task of forward passes off the tape, where it is another.
    shown: Option<usize>,
    /// Optimizer steps of the task.
    step: usize,
    /// Of each gate, by its path, and each task that ended: `[units]` at the steepest.
    gates: BTreeMap<String, BTreeMap<usize, Tensor<1>>>,
    /// The weights before the step that is being taken.
    before: Option<ParamVector>,
}

impl fmt::Debug for Hat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hat(task {})", self.shared.lock().task)
    }
}

impl State {
    /// The largest of the other tasks' gates, on the device of `like`; none if no other task has ended.
    fn others(&self, gate: &str, like: &Tensor<1>) -> Result<Option<Tensor<1>>> {
        let device = like.device().inner();
        let gates = self.gates.get(gate).into_iter().flatten();
        let gates = gates.filter(|(task, _)| **task != self.task);
        let gates = gates.map(|(_, gate)| gate.clone().to_device(&device));
        let largest = gates.reduce(|left, right| left.max_pair(right));
        match largest {
            Some(largest) if largest.dims() != like.dims() => Err(ContinualError::mismatch(
                format!("units of `{gate}`"),
                format!("{:?}", largest.dims()),
                format!("{:?}", like.dims()),
            )),
            largest => Ok(largest),
        }
    }
}

impl Hat {
    /// Forward passes off the tape are of this task from here on, until a task begins.
    pub fn show(&self, task: usize) {
        self.shared.lock().shown = Some(task);
    }

    /// s in a step of a task, from 0.
    #[must_use]
    pub fn steepness(&self, step: usize) -> f64 {
        let (s_max, batches) = (self.config.s_max, self.config.batches);
        if batches == 1 {
            return s_max;
        }
        let share = (step % batches) as f64 / (batches - 1) as f64;
        1.0 / s_max + (s_max - 1.0 / s_max) * share
    }

    /// By the path of each gate, the largest gates of the tasks that ended, without the present one, `[units]`.
    #[must_use]
    pub fn kept(&self) -> BTreeMap<String, Tensor<1>> {
        let state = self.shared.lock().clone();
        let largest = state.gates.iter().filter_map(|(path, gates)| {
            let like = gates.values().next()?;
            Some((path.clone(), state.others(path, like).ok()??))
        });
        largest.collect()
    }

    /// The paths of all gates that a layer names.
    fn gates(&self) -> BTreeSet<String> {
        let layers = self.config.layers.iter();
        let named = layers.flat_map(|layer| [&layer.input, &layer.output]);
        named.flatten().cloned().collect()
    }
}

impl Anneal for Hat {
    fn annealed(&self, training: bool) -> Annealed {
        let state = self.shared.lock();
        match training {
            true => Annealed {
                task: state.task,
                steepness: self.steepness(state.step),
            },
            false => Annealed {
                task: state.shown.unwrap_or(state.task),
                steepness: self.config.s_max,
            },
        }
    }
}

impl Hat {
    /// The weights after a step, with the part of the change that the masks allow.
    fn masked(
        &self,
        state: &State,
        vector: &ParamVector,
        before: &ParamVector,
    ) -> Result<ParamVector> {
        let before = before.rebound(vector)?;
        let gates = self.gates();
        let mut changed = Vec::new();
        for (entry, old) in vector.entries().iter().zip(before.entries()) {
            let (new, old) = (entry.values.clone(), old.values.clone());
            if gates.contains(&entry.path) {
                let within = |row: Tensor<1>| row.clamp(-REACH, REACH);
                let values = of_task(entry, new, state.task, within, &old)?;
                changed.push(entry.with_values(values));
                continue;
            }
            let layer = self
                .config
                .layers
                .iter()
                .find_map(|layer| layer.part(&entry.path));
            let Some((input, output)) = layer else {
                continue;
            };
            let others = |gate: Option<&String>| -> Result<Option<Tensor<1>>> {
                let Some(path) = gate else { return Ok(None) };
                let embedding = vector.by_path(path).ok_or_else(|| no_gate(path))?;
                let [_, units] = matrix(embedding)?;
                let like = zero(&new.device()).expand([units]);
                state.others(path, &like)
            };
            let (input, output) = (others(input)?, others(output)?);
            if input.is_none() && output.is_none() {
                continue;
            }
            let share = movable(entry, input, output)?;
            let held = share.clone().lower_equal_elem(0.0);
            let free = share.clone().greater_equal_elem(1.0);
            let wide = |values: &Tensor<1>| values.clone().cast(FloatDType::F32);
            let part = wide(&old) + (wide(&new) - wide(&old)) * share;
            let part = part.cast(new.dtype());
            let values = part.mask_where(held, old).mask_where(free, new);
            changed.push(entry.with_values(values));
        }
        Ok(ParamVector::from_entries(changed))
    }
}

impl<M: Classifier> Strategy<M> for Hat {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn changes_updates(&self) -> bool {
        true
    }

    fn before_task(&self, model: M, task: &Task) -> Result<M> {
        let vector = ParamVector::of(&model);
        for path in self.gates() {
            let entry = vector.by_path(&path).ok_or_else(|| no_gate(&path))?;
            let [tasks, _] = matrix(entry)?;
            if task.id >= tasks {
                return Err(no_embedding(task.id, tasks));
            }
        }
        for layer in &self.config.layers {
            if vector.by_path(&format!("{}.weight", layer.layer)).is_none() {
                let what = format!("the layer `{}`", layer.layer);
                return Err(ContinualError::mismatch(
                    what,
                    "a `weight` in the model",
                    "none",
                ));
            }
        }
        let mut state = self.shared.lock();
        (state.task, state.step, state.shown) = (task.id, 0, None);
        Ok(model)
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let state = self.shared.lock().clone();
        let steepness = self.steepness(state.step);
        let mut sums: Option<(Tensor<1>, Tensor<1>)> = None;
        for (path, embedding) in embeddings(model, &self.gates(), state.task)? {
            let gate = sigmoid(embedding.cast(FloatDType::F32) * steepness);
            let left = match state.others(&path, &gate)? {
                Some(others) => others.neg() + 1.0,
                None => gate.clone().inner().ones_like(),
            };
            let (taken, all) = ((gate * left.clone()).sum(), left.sum());
            sums = Some(match sums {
                Some((before, of)) => {
                    let taken = taken.to_device(&before.device());
                    (before + taken, of.clone() + all.to_device(&of.device()))
                }
                None => (taken, all),
            });
        }
        Ok(match sums {
            Some((taken, all)) => taken / all.clamp_min(1e-6) * self.config.sparsity,
            None => zero(&crate::examples::Examples::device(batch)),
        })
    }

    fn before_update(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        let (task, step) = {
            let mut state = self.shared.lock();
            state.before = None;
            (state.task, state.step)
        };
        let point = ParamVector::of(model);
        let (s, s_max) = (self.steepness(step), self.config.s_max);
        let gates = self.gates();
        let mut failed = None;
        let changed = grads.vector(model)?.map(|entry, gradient| {
            let weights = point.get(entry.id).filter(|_| gates.contains(&entry.path));
            let Some(weights) = weights else {
                return gradient;
            };
            let factor = |gradient: Tensor<1>| {
                let [units] = gradient.dims();
                let row = weights.values.clone().narrow(0, task * units, units);
                let row = row.cast(FloatDType::F32);
                gradient.cast(FloatDType::F32) * compensation(row, s, s_max)
            };
            let wide = gradient.clone().cast(FloatDType::F32);
            match of_task(entry, gradient.clone(), task, factor, &wide) {
                Ok(gradient) => gradient,
                Err(error) => {
                    failed.get_or_insert(error);
                    gradient
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        *grads = grads.replaced(model, &changed);
        self.shared.lock().before = Some(point);
        Ok(())
    }

    fn after_update(&self, model: M) -> (M, Result<()>) {
        let state = {
            let mut state = self.shared.lock();
            let now = state.clone();
            (state.before, state.step) = (None, state.step.wrapping_add(1));
            now
        };
        // Where the method's part failed before the step, that error stands.
        let Some(before) = &state.before else {
            return (model, Ok(()));
        };
        let changed = self.masked(&state, &ParamVector::of(&model), before);
        let changed = changed.and_then(|changed| Ok(changed.write_to(model.clone())?));
        match changed {
            Ok(model) => (model, Ok(())),
            Err(error) => (model, Err(error)),
        }
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        let _ = data;
        let mut state = self.shared.lock().clone();
        for (path, embedding) in embeddings(&model, &self.gates(), state.task)? {
            let gate = embedding.inner().cast(FloatDType::F32) * self.config.s_max;
            let gate = sigmoid(gate);
            if !gate.clone().sum().into_scalar::<f32>().is_finite() {
                return Err(ContinualError::NotFinite(format!("the gates of `{path}`")));
            }
            state
                .gates
                .entry(path)
                .or_default()
                .insert(state.task, gate);
        }
        self.shared.lock().gates = state.gates;
        Ok(model)
    }
}
