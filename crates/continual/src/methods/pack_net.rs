//! # PackNet
//!
//! Tasks share a network by weights of their own: each task trains what is free, gives a share of it back, and the rest is frozen.
//!
//! Source: Mallya and Lazebnik, "PackNet: adding multiple tasks to a single network by iterative pruning" (arXiv 1711.05769).

mod saving;

use std::collections::HashMap;
use std::fmt;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, FloatDType, Tensor};
use regimen_tensor::training::Gradients;
use regimen_tensor::{ParamVector, independent};

use crate::classifier::Classifier;
use crate::error::check;
use crate::scenario::Task;
use crate::strategy::{Shared, Steps, Strategy, space};
use crate::{ContinualError, Result};

/// Owner of a weight that no task has: it is free. Tasks count from 1.
const FREE: f32 = 0.0;
/// Owner of a parameter that the method leaves alone.
const APART: f32 = -1.0;

/// Each weight belongs to the task that trained and kept it; later tasks use it as it is.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `share` | 0.5 | of the weights that a task trained, layer by layer, what it gives back: those of least magnitude; 0 or more, below 1 |
/// | `apart` | none | beginnings of paths of parameters that are neither pruned nor frozen, such as the heads of single tasks |
///
/// A task: train, [`prune`](PackNet::prune), train again for a few epochs (the weights that were given back stay 0), then
/// [`after_task`](Strategy::after_task). Without `prune`, `after_task` prunes, and nothing is trained again. Weights of two axes
/// or more are shared out; biases and norms are frozen after the first task. [`model_for`](PackNet::model_for) gives the network
/// of a task: the weights of that task and those before it, and the running statistics of the task's end.
///
/// Frozen weights keep their bits: their gradients are 0, and what momentum, Adam or weight decay does to them is undone after the
/// step. Half of the free weights are left after each task with the default: .5, .25, .125.
///
/// Differs from the released code in batch norm: that keeps the first task's statistics in all tasks.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::{Classifier, PackNetConfig, Strategy};
/// use regimen_tensor::Prepared;
/// # #[derive(Module, Debug)]
/// # struct Model { head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(x.clone()) }
/// # }
/// # let device = Device::flex().autodiff();
/// # let model = Model { head: LinearConfig::new(4, 2).init(&device) };
/// # let batch = (Tensor::<2>::from_data([[1.0, 2.0, 0.0, 1.0]], &device), Tensor::<1, Int>::from_data([0], &device));
///
/// let pack = PackNetConfig::new().init(&model)?;
/// // train the first task, then
/// let model = pack.prune(model)?;
/// // train it again, then
/// let model = pack.after_task(model, &Prepared(vec![batch.clone()]))?;
/// assert_eq!(pack.free()?, 0.5);
/// let first = pack.model_for(&model, 0)?;
/// # assert_eq!(first.logits(&batch).dims(), [1, 2]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct PackNetConfig {
    /// Of the weights that a task trained, what it gives back: 0 or more, below 1.
    #[config(default = 0.5)]
    pub share: f64,
    /// Beginnings of paths of parameters that are neither pruned nor frozen.
    #[config(default = "Vec::new()")]
    pub apart: Vec<String>,
}

impl PackNetConfig {
    /// For a model with these parameters, before the first task. What is frozen already belongs to the first task.
    ///
    /// # Errors
    /// If `share` is not 0 or more and below 1.
    pub fn init<M: Module>(&self, model: &M) -> Result<PackNet> {
        let allowed = "0 or more, below 1";
        check(
            "share",
            self.share,
            (0.0..1.0).contains(&self.share),
            allowed,
        )?;
        let space = space(model);
        let mut tracked = Tracked::default();
        model.visit(&mut tracked);
        let trains = |id| tracked.none || tracked.ids.get(&id).copied().unwrap_or(true);
        let owners = space.clone().map(|entry, zeros| {
            let apart = self.apart.iter().any(|start| entry.path.starts_with(start));
            match (apart, trains(entry.id)) {
                (true, _) => zeros + APART,
                (false, false) => zeros + 1.0,
                (false, true) => zeros,
            }
        });
        Ok(PackNet {
            config: self.clone(),
            shared: Shared::new(State {
                buffers: ParamVector::buffers(model).map(|_, values| values.cast(FloatDType::F32)),
                space,
                owners,
                held: None,
                pruned: false,
                tasks: Vec::new(),
                task: None,
                statistics: Vec::new(),
            }),
        })
    }
}

/// A handle on PackNet: clones share its state. See [`PackNetConfig`].
#[derive(Clone)]
pub struct PackNet {
    config: PackNetConfig,
    shared: Shared<State>,
}

#[derive(Clone)]
struct State {
    space: ParamVector,
    buffers: ParamVector,
    /// For each scalar the task that owns it, from 1.
    owners: ParamVector,
    /// The values of what does not train.
    held: Option<ParamVector>,
    /// Whether the present task gave its share back.
    pruned: bool,
    /// The ids of tasks that ended.
    tasks: Vec<usize>,
    /// The id of the present task.
    task: Option<usize>,
    /// Running statistics at the end of each task.
    statistics: Vec<ParamVector>,
}

impl State {
    /// The number of the present task.
    fn number(&self) -> f32 {
        self.tasks.len() as f32 + 1.0
    }

    /// What must not move, for the parameters of `like`; none if everything may.
    fn frozen(&self, like: &ParamVector) -> Result<Option<HashMap<ParamId, Tensor<1, Bool>>>> {
        if self.held.is_none() {
            return Ok(None);
        }
        let movable = if self.pruned { self.number() } else { FREE };
        let owners = self.owners.rebound(like)?;
        let flags = owners.entries().iter().map(|entry| {
            let owners = entry.values.clone();
            let apart = owners.clone().equal_elem(APART);
            let moves = owners.equal_elem(movable).bool_or(apart);
            (entry.id, moves.bool_not())
        });
        Ok(Some(flags.collect()))
    }
}

impl fmt::Debug for PackNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackNet({} tasks)", self.shared.lock().tasks.len())
    }
}

impl PackNet {
    /// The task that owns each scalar, from 1; 0 where it is free, -1 where the method leaves it alone.
    #[must_use]
    pub fn owners(&self) -> ParamVector {
        self.shared.lock().owners.clone()
    }

    /// The share of the weights of two axes or more that is free: one read a parameter.
    ///
    /// # Errors
    /// If the device fails.
    pub fn free(&self) -> Result<f64> {
        let owners = self.owners().filter(|entry| entry.shape.len() > 1);
        let owners = owners.to_host()?;
        let known = owners.iter().flatten().filter(|owner| **owner != APART);
        let (mut free, mut all) = (0.0, 0.0_f64);
        for owner in known {
            free += f64::from(u8::from(*owner == FREE));
            all += 1.0;
        }
        Ok(free / all.max(1.0))
    }

    /// Gives back the share of the present task: the smallest of the weights that it trained become 0 and stay so until the task
    /// ends. Equal magnitudes go in the order of the weights.
    ///
    /// # Errors
    /// If the task gave its share back already; [`ContinualError::NotFinite`] for weights that are not finite: then nothing changed.
    pub fn prune<M: Module>(&self, model: M) -> Result<M> {
        let mut state = self.shared.lock().clone();
        let model = self.pruned(&mut state, model)?;
        *self.shared.lock() = state;
        Ok(model)
    }

    fn pruned<M: Module>(&self, state: &mut State, model: M) -> Result<M> {
        if state.pruned {
            return Err(ContinualError::Unsupported {
                method: "PackNet",
                reason: "the present task gave its share back already".into(),
            });
        }
        let (number, first) = (state.number(), state.tasks.is_empty());
        let vector = ParamVector::of(&model);
        let own = state.owners.rebound(&vector)?;
        let (mut owners, mut values) = (own.to_host()?, vector.to_host()?);
        for ((entry, owners), values) in vector.entries().iter().zip(&mut owners).zip(&mut values) {
            if values.iter().any(|value| !value.is_finite()) {
                return Err(ContinualError::NotFinite(format!("`{}`", entry.path)));
            }
            let mut free: Vec<usize> = (0..owners.len()).filter(|k| owners[*k] == FREE).collect();
            if entry.shape.len() < 2 {
                free.iter()
                    .filter(|_| first)
                    .for_each(|k| owners[*k] = number);
                continue;
            }
            free.sort_by(|i, j| values[*i].abs().total_cmp(&values[*j].abs()));
            let cut = (free.len() as f64 * self.config.share).round() as usize;
            let (given, kept) = free.split_at(cut.min(free.len()));
            given.iter().for_each(|k| values[*k] = 0.0);
            kept.iter().for_each(|k| owners[*k] = number);
        }
        let wide = vector.clone().map(|_, values| values.cast(FloatDType::F32));
        let values = wide.from_host(values)?;
        state.owners = own.from_host(owners)?.rebound(&state.space)?;
        state.held = Some(values.rebound(&state.space)?);
        state.pruned = true;
        Ok(values.write_to(model)?)
    }

    /// The network of a task that has ended: a copy with the weights of that task and of those before it, 0 elsewhere, and with the
    /// task's running statistics. For the present task: a copy of the model as it is.
    ///
    /// # Errors
    /// If there is no such task, or the model is another.
    pub fn model_for<M: Module>(&self, model: &M, task: usize) -> Result<M> {
        let state = self.shared.lock().clone();
        let copy = independent(model);
        let Some(place) = state.tasks.iter().position(|known| *known == task) else {
            if state.task.unwrap_or(state.tasks.len()) == task {
                return Ok(copy);
            }
            return Err(ContinualError::range(
                "task",
                task,
                "a task that has ended, or the present one",
            ));
        };
        let vector = ParamVector::of(&copy);
        let owners = state.owners.rebound(&vector)?;
        let last = place as f32 + 1.0;
        let values = vector.zip(&owners, |values, owners| {
            let later = owners.clone().greater_elem(last);
            values.mask_fill(owners.equal_elem(FREE).bool_or(later), 0.0)
        })?;
        let copy = values.write_to(copy)?;
        let own = ParamVector::buffers(&copy);
        Ok(state.statistics[place].rebound(&own)?.write_to(copy)?)
    }
}

impl<M: Classifier> Strategy<M> for PackNet {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn changes_updates(&self) -> bool {
        true
    }

    fn before_task(&self, model: M, task: &Task) -> Result<M> {
        let mut state = self.shared.lock();
        if state.tasks.contains(&task.id) {
            let allowed = "a task that has not come before: its weights are frozen";
            return Err(ContinualError::range("task", task.id, allowed));
        }
        if state.pruned {
            return Err(ContinualError::Unsupported {
                method: "PackNet",
                reason: "the task before has not ended: `after_task`".into(),
            });
        }
        state.task = Some(task.id);
        Ok(model)
    }

    fn before_update(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        let state = self.shared.lock().clone();
        if let Some(frozen) = state.frozen(&ParamVector::of(model))? {
            grads.zero_where(model, &frozen);
        }
        Ok(())
    }

    fn after_update(&self, model: M) -> (M, Result<()>) {
        let state = self.shared.lock().clone();
        match restored(&state, &model) {
            Ok(Some(model)) => (model, Ok(())),
            Ok(None) => (model, Ok(())),
            Err(error) => (model, Err(error)),
        }
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        let _ = data;
        let mut state = self.shared.lock().clone();
        let model = match state.pruned {
            true => model,
            false => self.pruned(&mut state, model)?,
        };
        let wide = |vector: ParamVector| vector.map(|_, values| values.cast(FloatDType::F32));
        let statistics = wide(ParamVector::buffers(&model));
        crate::penalties::finite("running statistics", &statistics)?;
        let values = wide(ParamVector::of(&model));
        crate::penalties::finite("weights", &values)?;
        state.held = Some(values.rebound(&state.space)?);
        state.statistics.push(statistics.rebound(&state.buffers)?);
        let id = state.task.take().unwrap_or(state.tasks.len());
        state.tasks.push(id);
        state.pruned = false;
        *self.shared.lock() = state;
        Ok(model)
    }
}

/// The model with the values that it must not change.
fn restored<M: Module>(state: &State, model: &M) -> Result<Option<M>> {
    let vector = ParamVector::of(model);
    let (Some(held), Some(frozen)) = (&state.held, state.frozen(&vector)?) else {
        return Ok(None);
    };
    let held = held.rebound(&vector)?;
    let values = vector.clone().map(|entry, values| {
        let held = held.get(entry.id).map(|held| held.values.clone());
        match (held, frozen.get(&entry.id)) {
            (Some(held), Some(frozen)) => {
                let held = held.cast(values.dtype());
                values.mask_where(frozen.clone(), held)
            }
            _ => values,
        }
    });
    Ok(Some(values.write_to(model.clone())?))
}

/// Which parameters require a gradient.
#[derive(Default)]
struct Tracked {
    ids: HashMap<ParamId, bool>,
    none: bool,
}

impl ModuleVisitor for Tracked {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        self.none |= !value.is_autodiff();
        self.ids.insert(param.id, value.is_require_grad());
    }
}
