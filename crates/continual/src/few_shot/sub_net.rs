//! # SubNet
//!
//! After the first task, later ones train a small part of the network: the smallest weights of one block.
//!
//! Source: "A Bag of Tricks for Few-Shot Class-Incremental Learning" (arXiv 2403.14392), SubNet tuning; by magnitude, where Kang et al., "On the
//! Soft-Subnetwork for Few-Shot Class Incremental Learning" (SoftNet, arXiv 2209.07529) learns a score for each weight.

use std::collections::HashMap;
use std::fmt;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::module::{Module, ParamId};
use burn::tensor::{Bool, FloatDType, Tensor};
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::{Part, PartError};
use regimen_tensor::threshold::{share_of, smallest};
use regimen_tensor::training::Gradients;
use serde::{Deserialize, Serialize};

use crate::classifier::Classifier;
use crate::error::share;
use crate::saved::Saved;
use crate::strategy::{Shared, Steps, Strategy, space};
use crate::{ContinualError, Result};

/// Of each weight of the block, the share of least magnitude at the end of the first task moves from then on; all else keeps its bits.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `share` | 0.5 | of the weights that later tasks train, parameter by parameter, 0 to 1; 0 freezes the network |
/// | `block` | all | beginnings of paths of the parameters that may move, such as the last block's |
///
/// Weights of two axes or more move, biases and norms do not. Their gradients are 0 elsewhere, and what momentum or weight decay does there is
/// undone after the step. Running statistics of batch norm stay those of the first task's end: a few examples say nothing of them. In
/// training, Burn's batch norm still normalises by the batch.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::{Classifier, Strategy, SubNetConfig};
/// use regimen_tensor::Prepared;
/// # #[derive(Module, Debug)]
/// # struct Model { body: Linear, head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(self.body.forward(x.clone())) }
/// # }
/// # let device = Device::flex().autodiff();
/// # let model = Model { body: LinearConfig::new(4, 6).init(&device), head: LinearConfig::new(6, 2).init(&device) };
/// # let batch = (Tensor::<2>::from_data([[1.0, 2.0, 0.0, 1.0]], &device), Tensor::<1, Int>::from_data([0], &device));
///
/// let sub_net = SubNetConfig::new().with_block(vec!["body".into()]).init(&model)?;
/// // train the first task, then
/// let model = sub_net.after_task(model, &Prepared(vec![batch]))?;
/// assert_eq!(sub_net.moving()?, Some(12));
/// # let _ = model;
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct SubNetConfig {
    /// Of the block's weights, what moves after the first task: 0 to 1.
    #[config(default = 0.5)]
    pub share: f64,
    /// Beginnings of paths of parameters that may move; all if there is none.
    #[config(default = "Vec::new()")]
    pub block: Vec<String>,
}

impl SubNetConfig {
    /// For a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If `share` is not 0 to 1, or a beginning in `block` fits no weight of two axes.
    pub fn init<M: Module>(&self, model: &M) -> Result<SubNet> {
        share("share", self.share)?;
        let space = space(model);
        for start in &self.block {
            let fits = |path: &str| path.starts_with(start.as_str());
            let mut entries = space.entries().iter();
            if !entries.any(|entry| entry.shape.len() > 1 && fits(&entry.path)) {
                let allowed = "the beginning of a path of weights with two axes or more";
                return Err(ContinualError::range("block", start, allowed));
            }
        }
        Ok(SubNet {
            config: self.clone(),
            shared: Shared::new(State {
                buffers: ParamVector::buffers(model).map(|_, values| values.cast(FloatDType::F32)),
                space,
                chosen: None,
            }),
        })
    }

    fn may_move(&self, path: &str, axes: usize) -> bool {
        let fits = |start: &String| path.starts_with(start.as_str());
        axes > 1 && (self.block.is_empty() || self.block.iter().any(fits))
    }
}

/// A handle on a sub-network: clones share its state. See [`SubNetConfig`].
#[derive(Clone)]
pub struct SubNet {
    config: SubNetConfig,
    shared: Shared<State>,
}

#[derive(Clone)]
struct State {
    space: ParamVector,
    buffers: ParamVector,
    chosen: Option<Chosen>,
}

/// What was settled at the end of the first task, in f32.
#[derive(Clone)]
struct Chosen {
    /// 1 for what moves.
    mask: ParamVector,
    /// The weights, of which those that do not move are kept.
    held: ParamVector,
    statistics: ParamVector,
}

/// What is saved beside the vectors.
#[derive(Serialize, Deserialize)]
struct Plain {
    step: usize,
    chosen: bool,
}

impl fmt::Debug for SubNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = self.shared.lock().chosen.is_some();
        write!(f, "SubNet({}, chosen: {chosen})", self.config.share)
    }
}

impl SubNet {
    /// How many weights move from now on; none before the first task has ended, as all do. One read a parameter.
    ///
    /// # Errors
    /// If the device fails.
    pub fn moving(&self) -> Result<Option<usize>> {
        let Some(chosen) = self.shared.lock().chosen.clone() else {
            return Ok(None);
        };
        let mask = chosen.mask.to_host()?;
        Ok(Some(mask.iter().flatten().filter(|on| **on > 0.5).count()))
    }

    /// Settles what moves by the weights as they are.
    pub(super) fn choose<M: Module>(&self, model: &M) -> Result<()> {
        let wide = |vector: ParamVector| vector.map(|_, values| values.cast(FloatDType::F32));
        let held = wide(ParamVector::of(model));
        crate::penalties::finite("weights", &held)?;
        let statistics = wide(ParamVector::buffers(model));
        crate::penalties::finite("running statistics", &statistics)?;
        let masks = held.entries().iter().map(|entry| {
            let none = entry.values.zeros_like();
            if !self.config.may_move(&entry.path, entry.shape.len()) {
                return Ok(entry.with_values(none));
            }
            let count = share_of(self.config.share, entry.len());
            let moving = smallest(vec![entry.values.clone().abs()], count)?;
            let ones = moving.into_iter().next().map_or(none.clone(), |moving| {
                none.clone()
                    .mask_fill(moving.to_device(&none.device()), 1.0)
            });
            Ok(entry.with_values(ones))
        });
        let mask = ParamVector::from_entries(masks.collect::<Result<_>>()?);
        let mut state = self.shared.lock();
        let chosen = Chosen {
            mask: mask.rebound(&state.space)?,
            held: held.rebound(&state.space)?,
            statistics: statistics.rebound(&state.buffers)?,
        };
        state.chosen = Some(chosen);
        Ok(())
    }

    /// The gradients of what does not move become 0.
    pub(super) fn hold<M: Module>(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        let chosen = self.shared.lock().chosen.clone();
        if let Some(chosen) = chosen {
            let still = chosen.still(&ParamVector::of(model))?;
            grads.zero_where(model, &still);
        }
        Ok(())
    }

    /// The model with the values that it must not change.
    pub(super) fn restored<M: Module>(&self, model: &M) -> Result<Option<M>> {
        let Some(chosen) = self.shared.lock().chosen.clone() else {
            return Ok(None);
        };
        let vector = ParamVector::of(model);
        let (still, held) = (chosen.still(&vector)?, chosen.held.rebound(&vector)?);
        let values = vector.map(
            |entry, values| match (held.get(entry.id), still.get(&entry.id)) {
                (Some(held), Some(still)) => {
                    let held = held.values.clone().cast(values.dtype());
                    values.mask_where(still.clone(), held)
                }
                _ => values,
            },
        );
        let buffers = ParamVector::buffers(model);
        let statistics = chosen.statistics.rebound(&buffers)?;
        let model = values.write_to(model.clone())?;
        Ok(Some(statistics.write_to(model)?))
    }

    /// Whether what moves was settled.
    pub(super) fn is_chosen(&self) -> bool {
        self.shared.lock().chosen.is_some()
    }

    pub(super) fn write(&self, saved: Saved) -> Result<Saved> {
        let chosen = self.shared.lock().chosen.clone();
        match chosen {
            None => Ok(saved),
            Some(chosen) => saved
                .with("mask", &chosen.mask)?
                .with("held", &chosen.held)?
                .with("statistics", &chosen.statistics),
        }
    }

    /// Reads what [`write`](Self::write) wrote; `keep` takes it once all else was read.
    pub(super) fn read(&self, saved: &Saved, chosen: bool) -> Result<Restored> {
        let state = self.shared.lock();
        if !chosen {
            return Ok(Restored(None));
        }
        let mask = saved.required("mask", &state.space)?;
        let is_mask = |value: &f32| *value == 0.0 || *value == 1.0;
        if !mask.to_host()?.iter().flatten().all(is_mask) {
            return Err(ContinualError::State("`mask` is not of 0 and 1".into()));
        }
        let statistics = match state.buffers.entries().is_empty() {
            true => state.buffers.clone(),
            false => saved.required("statistics", &state.buffers)?,
        };
        Ok(Restored(Some(Chosen {
            mask,
            held: saved.required("held", &state.space)?,
            statistics,
        })))
    }

    pub(super) fn keep(&self, restored: Restored) {
        self.shared.lock().chosen = restored.0;
    }
}

/// What was read of a state.
pub(super) struct Restored(Option<Chosen>);

impl Chosen {
    /// What does not move, for the parameters of `like`.
    fn still(&self, like: &ParamVector) -> Result<HashMap<ParamId, Tensor<1, Bool>>> {
        let mask = self.mask.rebound(like)?;
        let flags = mask.entries().iter().map(|entry| {
            let still = entry.values.clone().lower_elem(0.5);
            (entry.id, still)
        });
        Ok(flags.collect())
    }
}

impl<M: Classifier> Strategy<M> for SubNet {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn changes_updates(&self) -> bool {
        true
    }

    fn before_update(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        self.hold(model, grads)
    }

    fn after_update(&self, model: M) -> (M, Result<()>) {
        match self.restored(&model) {
            Ok(Some(model)) => (model, Ok(())),
            Ok(None) => (model, Ok(())),
            Err(error) => (model, Err(error)),
        }
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        let _ = data;
        if !self.is_chosen() {
            self.choose(&model)?;
        }
        Ok(model)
    }
}

impl Part for SubNet {
    fn kind(&self) -> String {
        "sub-network 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let saved = Saved::new(&Plain {
            step: self.shared.steps.taken(),
            chosen: self.is_chosen(),
        })?;
        Ok(self.write(saved)?.to_bytes()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let plain: Plain = saved.state()?;
        let restored = self.read(&saved, plain.chosen)?;
        self.keep(restored);
        self.shared.steps.restore(plain.step);
        Ok(())
    }
}
