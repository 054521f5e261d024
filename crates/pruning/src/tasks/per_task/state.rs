//! What a sequence of tasks has so far: plain data.

use burn::module::Module;
use regimen_tensor::checked::Checked;
use regimen_tensor::{ParamVector, checked_serde};
use serde::{Deserialize, Serialize};

use crate::during::stored::same_sizes;
use crate::error::{counter, positive};
use crate::rules::finite;
use crate::{Exploration, Masks, PruningError, Result};

/// A finished task: its mask, and the values of every parameter without a mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Which weights the task uses.
    pub masks: Masks,
    /// Its values of the parameters and running statistics without a mask, in module order.
    #[serde(with = "crate::floats")]
    pub rest: Vec<Vec<f32>>,
}

/// A task under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Present {
    /// Training steps of the task so far, and in all.
    pub(super) step: usize,
    pub(super) steps: usize,
    /// An update is to be made up for, because the step's gradient was not finite.
    #[serde(default)]
    pub(super) put_off: bool,
    pub(super) masks: Masks,
    /// What was active in this task.
    pub(super) fired: Exploration,
    /// The best model of the task that was remembered.
    pub(super) best: Option<Snapshot>,
}

/// A model of the present task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    #[serde(with = "crate::floats")]
    pub(super) weights: Vec<Vec<f32>>,
    pub(super) topology: Topology,
}

/// All that a sequence of tasks needs besides model and optimizer to go on where it stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct PerTaskState {
    pub(super) seed: u64,
    /// Updates of the topology so far, over all tasks.
    pub(super) events: usize,
    /// The masked parameters, with the flags of no task.
    pub(super) frame: Masks,
    /// The weights of all tasks, dense; where no task uses a weight, its initial value.
    #[serde(with = "crate::floats")]
    pub(super) store: Vec<Vec<f32>>,
    /// Initial values of the parameters and running statistics without a mask.
    #[serde(with = "crate::floats")]
    pub(super) rest: Vec<Vec<f32>>,
    pub(super) used: Exploration,
    pub(super) tasks: Vec<Topology>,
    pub(super) present: Option<Present>,
}

impl Checked for PerTaskState {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        counter("events", self.events)?;
        Checked::check(&self.frame)?;
        same_sizes(&self.frame, &self.store)?;
        if let Some(present) = &self.present {
            counter("steps", present.steps)?;
            positive("steps", present.steps)?;
            // A task may train longer than it was said to.
            counter("step", present.step)?;
        }
        self.check_other(self)
    }
}
checked_serde!(PerTaskState);

impl PerTaskState {
    pub(super) fn new<M: Module>(model: &M, mut frame: Masks, seed: u64) -> Result<Self> {
        let store = frame.weights(model)?.to_host()?;
        finite(0, &frame, &store)?;
        let rest = frame.others(&ParamVector::state(model)).to_host()?;
        let off = frame.layers().iter().map(|m| vec![false; m.active.len()]);
        frame.set(off.collect())?;
        Ok(Self {
            seed,
            events: 0,
            store,
            rest,
            used: Exploration::of(&frame),
            frame,
            tasks: Vec::new(),
            present: None,
        })
    }

    /// The finished tasks, in order.
    #[must_use]
    pub fn tasks(&self) -> &[Topology] {
        &self.tasks
    }

    /// The mask of the task under way.
    #[must_use]
    pub fn masks(&self) -> Option<&Masks> {
        self.present.as_ref().map(|present| &present.masks)
    }

    /// What finished tasks use: its [`rate`](Exploration::rate) is the share of the capacity that is taken.
    #[must_use]
    pub fn used(&self) -> &Exploration {
        &self.used
    }

    pub(super) fn present(&mut self) -> Result<&mut Present> {
        let none = || PruningError::range("task", "none", "one that `begin` started");
        self.present.as_mut().ok_or_else(none)
    }

    /// Has all masks name the parameters of this model.
    pub(super) fn bind<M: Module>(&mut self, model: &M) -> Result<()> {
        self.frame.bind(model)?;
        for task in &mut self.tasks {
            task.masks.bind(model)?;
        }
        if let Some(present) = &mut self.present {
            present.masks.bind(model)?;
            if let Some(best) = &mut present.best {
                best.topology.masks.bind(model)?;
            }
        }
        Ok(())
    }

    /// That another state is of the same parameters, and whole.
    pub(super) fn check_other(&self, other: &Self) -> Result<()> {
        self.frame.same_layers(&other.frame)?;
        let sizes = |values: &[Vec<f32>]| -> Vec<usize> { values.iter().map(Vec::len).collect() };
        let rest = sizes(&self.rest);
        let same = |own: &[Vec<f32>], other: &[Vec<f32>]| sizes(own) == sizes(other);
        let mut whole = same(&self.store, &other.store) && other.used.fits(&self.frame);
        whole &= sizes(&other.rest) == rest;
        for task in &other.tasks {
            self.frame.same_layers(&task.masks)?;
            whole &= sizes(&task.rest) == rest;
        }
        if let Some(present) = &other.present {
            self.frame.same_layers(&present.masks)?;
            whole &= present.fired.fits(&self.frame);
            if let Some(best) = &present.best {
                self.frame.same_layers(&best.topology.masks)?;
                whole &= same(&self.store, &best.weights) && sizes(&best.topology.rest) == rest;
            }
        }
        if whole {
            return Ok(());
        }
        Err(PruningError::Mismatch {
            path: "*".into(),
            expected: "values of the same parameters".into(),
            found: "others".into(),
        })
    }
}
