//! # HatGate
//!
//! A gate over the units of a layer, with an embedding for each task.
//!
//! Source: Serra et al., "Overcoming catastrophic forgetting with hard attention to the task" (arXiv 1801.01423), section 2.

use std::collections::BTreeSet;
use std::f64::consts::TAU;

use burn::config::Config;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{check, positive};
use crate::{ContinualError, Result};

/// Numbers that one gate may hold.
const MOST: usize = 1 << 28;

/// A gate over units: `units` embeddings a task, drawn from a normal distribution.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `tasks` | | tasks that are to come, at least 1 |
/// | `units` | | units of the layer, at least 1 |
/// | `seed` | 0 | of the embeddings |
#[derive(Config, Debug)]
pub struct HatGateConfig {
    /// Tasks that are to come.
    pub tasks: usize,
    /// Units of the layer.
    pub units: usize,
    /// Of the embeddings.
    #[config(default = 0)]
    pub seed: u64,
}

impl HatGateConfig {
    /// A gate on this device.
    ///
    /// # Errors
    /// If `tasks` or `units` is 0, or both together are more than 268 million.
    pub fn init(&self, device: &Device) -> Result<HatGate> {
        positive("tasks", self.tasks)?;
        positive("units", self.units)?;
        let count = self.tasks.saturating_mul(self.units);
        let allowed = "268 million with the tasks";
        check("units", self.units as f64, count <= MOST, allowed)?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let normal = |_| {
            let (u, v) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
            ((-2.0 * u.ln()).sqrt() * (TAU * v).cos()) as f32
        };
        let values: Vec<f32> = (0..count).map(normal).collect();
        let values = TensorData::new(values, [self.tasks, self.units]);
        Ok(HatGate {
            embedding: Param::from_data(values, device),
        })
    }
}

/// The embeddings of a gate. See [`HatConfig`](super::HatConfig).
#[derive(Module, Debug)]
pub struct HatGate {
    /// `[tasks, units]`.
    pub embedding: Param<Tensor<2>>,
}

impl HatGate {
    /// `sigmoid(s e)` of the present task and steepness, `[units]`. A task beyond the last has the last one's.
    #[must_use]
    pub fn gate(&self, hat: &impl Anneal) -> Tensor<1> {
        let embedding = self.embedding.val();
        let now = hat.annealed(embedding.is_autodiff());
        let [tasks, _] = embedding.dims();
        let row = embedding.narrow(0, now.task.min(tasks - 1), 1);
        sigmoid(row * now.steepness).flatten(0, 1)
    }

    /// The layer's outputs `[batch, units, ..]`, each unit times its gate.
    #[must_use]
    pub fn forward<const D: usize>(&self, outputs: Tensor<D>, hat: &impl Anneal) -> Tensor<D> {
        let gate = self.gate(hat);
        let mut shape = [1; D];
        if let Some(units) = shape.get_mut(1) {
            *units = gate.dims()[0];
        }
        outputs * gate.reshape(shape)
    }
}

/// The task and the steepness of gates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Annealed {
    /// Whose embeddings.
    pub task: usize,
    /// s of `sigmoid(s e)`.
    pub steepness: f64,
}

/// What tells a gate its task and steepness: a [`Hat`](super::Hat).
pub trait Anneal {
    /// Of a forward pass on the tape (`training`) or off it.
    fn annealed(&self, training: bool) -> Annealed;
}

/// A layer, its `weight` and `bias`, between gates.
///
/// A weight is `[in, out]`, a linear layer's, or `[out, in, kernel..]`, a convolution's. Where it has a multiple of the units before it,
/// as behind a flattened image, each unit stands for as many inputs in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gated {
    pub(super) layer: String,
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
}

impl Gated {
    /// The layer at this path of the model, without a gate.
    #[must_use]
    pub fn new(layer: impl Into<String>) -> Self {
        Self {
            layer: layer.into(),
            input: None,
            output: None,
        }
    }

    /// It stands behind the gate at this path: that is on its inputs.
    #[must_use]
    pub fn behind(self, gate: &str) -> Self {
        Self {
            input: Some(format!("{gate}.embedding")),
            ..self
        }
    }

    /// It stands before the gate at this path: that is on its outputs.
    #[must_use]
    pub fn before(self, gate: &str) -> Self {
        Self {
            output: Some(format!("{gate}.embedding")),
            ..self
        }
    }

    /// The gates of a parameter, if it is one of the layer's.
    pub(super) fn part(&self, path: &str) -> Option<(Option<&String>, Option<&String>)> {
        let name = path.strip_prefix(self.layer.as_str())?;
        match name {
            ".weight" => Some((self.input.as_ref(), self.output.as_ref())),
            ".bias" => Some((None, self.output.as_ref())),
            _ => None,
        }
    }
}

/// By their paths, the embeddings of a task, `[units]`, with their graph.
pub(super) fn embeddings<M: Module>(
    model: &M,
    paths: &BTreeSet<String>,
    task: usize,
) -> Result<Vec<(String, Tensor<1>)>> {
    let mut visitor = Embeddings {
        paths,
        task,
        path: Vec::new(),
        found: Vec::new(),
    };
    model.visit(&mut visitor);
    let found = visitor.found;
    match paths
        .iter()
        .find(|path| found.iter().all(|(known, _)| known != *path))
    {
        None => Ok(found),
        Some(path) => Err(ContinualError::mismatch(
            format!("embeddings `{path}`"),
            format!("`[tasks, units]` in the model, of more than {task} tasks"),
            "none",
        )),
    }
}

struct Embeddings<'a> {
    paths: &'a BTreeSet<String>,
    task: usize,
    path: Vec<String>,
    found: Vec<(String, Tensor<1>)>,
}

impl ModuleVisitor for Embeddings<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if !self.paths.contains(&path) {
            return;
        }
        let value = param.val();
        let dims = value.dims();
        let [tasks, units] = match dims.as_slice() {
            [tasks, units] => [*tasks, *units],
            _ => return,
        };
        if self.task < tasks {
            let row = value.reshape([tasks, units]).narrow(0, self.task, 1);
            self.found.push((path, row.flatten(0, 1)));
        }
    }
}
