//! How the state of hard attention is saved.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Tensor;
use regimen_tensor::checkpoint::{Part, PartError};
use serde::{Deserialize, Serialize};

use super::{Hat, State};
use crate::ContinualError;
use crate::examples::read;
use crate::saved::Saved;

/// What is saved beside the gates.
#[derive(Serialize, Deserialize)]
struct Plain {
    step: usize,
    task: usize,
    of_task: usize,
    gates: BTreeMap<String, BTreeSet<usize>>,
}

impl Part for Hat {
    fn kind(&self) -> String {
        "hat 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = self.shared.lock().clone();
        let tasks = |gates: &BTreeMap<usize, Tensor<1>>| gates.keys().copied().collect();
        let gates = state.gates.iter();
        let mut saved = Saved::new(&Plain {
            step: self.shared.steps.taken(),
            task: state.task,
            of_task: state.step,
            gates: gates.map(|(path, of)| (path.clone(), tasks(of))).collect(),
        })?;
        for (path, gates) in state.gates {
            for (task, gate) in gates {
                saved = saved.with_tensor(&format!("{path} {task}"), gate)?;
            }
        }
        Ok(saved.to_bytes()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let plain: Plain = saved.state()?;
        let known = self.gates();
        let mut gates = BTreeMap::new();
        for (path, tasks) in plain.gates {
            if !known.contains(&path) {
                return Err(ContinualError::State(format!("no layer names `{path}`")).into());
            }
            let mut of = BTreeMap::new();
            for task in tasks {
                let device = Default::default();
                let gate: Option<Tensor<1>> = saved.tensor(&format!("{path} {task}"), &device)?;
                let refuse = |what: &str| ContinualError::State(format!("{what} of `{path}`"));
                let gate = gate.ok_or_else(|| refuse("no gates"))?;
                let values: Vec<f32> = read("gates", gate.clone().try_into_vec_as())?;
                if values.iter().any(|value| !(0.0..=1.0).contains(value)) {
                    return Err(refuse("a gate outside of 0 to 1").into());
                }
                of.insert(task, gate);
            }
            gates.insert(path, of);
        }
        let mut state = self.shared.lock();
        *state = State {
            task: plain.task,
            shown: None,
            step: plain.of_task,
            gates,
            before: None,
        };
        self.shared.steps.restore(plain.step);
        Ok(())
    }
}
